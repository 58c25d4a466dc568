"""What a child tells its supervisor while it runs, without a system call: a slot in memory that both map."""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

#: number, started, limit, length of the id, id (64 + 1 + 128 bytes at most), number again
_RECORD = struct.Struct("=QddH194sQ")
_FLAG = 0
_STOP = 8
_BEAT = 16
_RECORD_AT = 24
_SIZE = 256


class Running(NamedTuple):
    """A job that runs. `number` counts this child's jobs; `started` is on the monotonic clock, `limit` in seconds."""

    number: int
    started: float
    limit: float
    job_id: str

    @property
    def over_limit(self) -> bool:
        return self.limit > 0 and time.monotonic() > self.started + self.limit


class Slot:
    """One child's part of the board. The child writes what it does; its supervisor, what it asks for."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._number = 0

    def start(self, job_id: bytes, limit: float) -> None:
        """The child is about to run this job."""
        self._number += 1
        self._write(limit, job_id)

    def idle(self) -> None:
        """The child runs nothing, from now on."""
        self._number += 1
        self._write(0.0, b"")

    def running(self) -> Running | None:
        """The job that runs, or None."""
        record = self._read()
        return record if record.job_id else None

    def beat(self) -> None:
        """The server has answered a call of the child."""
        struct.pack_into("=d", self._memory, _BEAT, time.monotonic())

    def last_beat(self) -> float:
        """On the monotonic clock; 0.0 before the first."""
        return float(struct.unpack_from("=d", self._memory, _BEAT)[0])

    def last_sign(self) -> float:
        """When the child was last heard of, on the monotonic clock: a beat, or the begin or end of a job."""
        return max(self.last_beat(), self._read().started)

    def revoke(self) -> None:
        """From now on the child starts no other job of its batch."""
        self._memory[_FLAG] = 1

    def revoked(self) -> bool:
        return self._memory[_FLAG] == 1

    def clear(self) -> None:
        """The child has given its batch back."""
        self._memory[_FLAG] = 0

    def stop(self, number: int) -> None:
        """The job of this number is asked to stop."""
        struct.pack_into("=Q", self._memory, _STOP, number)

    def to_stop(self) -> bool:
        """Whether the job that the child has announced last is asked to stop."""
        return bool(struct.unpack_from("=Q", self._memory, _STOP)[0] == self._number)

    def close(self) -> None:
        self._memory.close()

    def _write(self, limit: float, job_id: bytes) -> None:
        fields = (self._number, time.monotonic(), limit, len(job_id), job_id, self._number)
        _RECORD.pack_into(self._memory, _RECORD_AT, *fields)

    def _read(self) -> Running:
        """The number at either end shows whether the record was read while it was written."""
        while True:
            number, started, limit, length, job_id, again = _RECORD.unpack_from(self._memory, _RECORD_AT)
            if number == again == struct.unpack_from("=Q", self._memory, _RECORD_AT)[0]:
                return Running(number, started, limit, job_id[:length].decode())
