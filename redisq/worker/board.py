"""What a child tells its supervisor while it runs, without a system call: a slot in memory that both map.

Single words are written and read whole. The record of the job that runs is longer: a sequence number, odd while the
record is being written, shows a reader whether what it has read is of one piece.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

#: number, started, limit, jobs, length of the id, id (64 + 1 + 128 bytes at most)
_RECORD = struct.Struct("=QddHH194s")
#: Words of 8 bytes.
_FLAG, _STOP, _BEAT, _SEQUENCE, _JOBS = range(5)
_RECORD_AT = 40
#: Bytes of a slot.
SIZE = 264
#: So often a record is read that is just being written. A child that was killed in the middle never ends writing.
_TRIES = 1000


class Running(NamedTuple):
    """A job that runs. `number` counts this child's jobs; `started` is on the monotonic clock, `limit` in seconds.

    `jobs`: how many this call runs; if there are several, `job_id` is that of the last.
    """

    number: int
    started: float
    limit: float
    job_id: str
    jobs: int = 1

    @property
    def over_limit(self) -> bool:
        return self.limit > 0 and time.monotonic() > self.started + self.limit


class Slot:
    """One child's part of the board. The child writes what it does; its supervisor, what it asks for."""

    def __init__(self, memory: memoryview | None = None) -> None:
        self._memory = memoryview(mmap.mmap(-1, SIZE)) if memory is None else memory
        self._words = memoryview(self._memory).cast("Q")
        self._times = memoryview(self._memory).cast("d")
        self._number = 0

    def start(self, job_id: bytes, limit: float, jobs: int = 1) -> None:
        """The child is about to run this job; or so many, of which this is the last, in one call."""
        self._number += 1
        self._write(limit, job_id, jobs)

    def idle(self) -> None:
        """The child runs nothing, from now on."""
        self._number += 1
        self._write(0.0, b"", 0)

    def running(self) -> Running | None:
        """The job that runs, or None."""
        record = self._read()
        return record if record.job_id else None

    def ran(self, jobs: int) -> None:
        """The child has run so many more jobs."""
        self._words[_JOBS] += jobs

    def jobs(self) -> int:
        """How many the child has run in its life."""
        return self._words[_JOBS]

    def beat(self) -> None:
        """The server has answered a call of the child."""
        self._times[_BEAT] = time.monotonic()

    def last_beat(self) -> float:
        """On the monotonic clock; 0.0 before the first."""
        return self._times[_BEAT]

    def last_sign(self) -> float:
        """When the child was last heard of, on the monotonic clock: a beat, or the begin or end of a job."""
        return max(self.last_beat(), self._read().started)

    def revoke(self) -> None:
        """From now on the child starts no other job of its batch."""
        self._words[_FLAG] = 1

    def revoked(self) -> bool:
        return self._words[_FLAG] == 1

    def clear(self) -> None:
        """The child has given its batch back."""
        self._words[_FLAG] = 0

    def stop(self, number: int) -> None:
        """The job of this number is asked to stop."""
        self._words[_STOP] = number

    def to_stop(self) -> bool:
        """Whether the job that the child has announced last is asked to stop."""
        return self._words[_STOP] == self._number != 0

    def close(self) -> None:
        self._words.release()
        self._times.release()
        self._memory.release()

    def _write(self, limit: float, job_id: bytes, jobs: int) -> None:
        self._words[_SEQUENCE] = 2 * self._number - 1
        _RECORD.pack_into(self._memory, _RECORD_AT, self._number, time.monotonic(), limit, jobs, len(job_id), job_id)
        self._words[_SEQUENCE] = 2 * self._number

    def _read(self) -> Running:
        for _ in range(_TRIES):
            before = self._words[_SEQUENCE]
            number, started, limit, jobs, length, job_id = _RECORD.unpack_from(self._memory, _RECORD_AT)
            if before % 2 == 0 and before == self._words[_SEQUENCE]:
                return Running(number, started, limit, job_id[:length].decode(), jobs)
        return Running(0, 0.0, 0.0, "")
