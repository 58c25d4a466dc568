"""Survey: what is to be seen of queues and workers, for people who look after them.

Nothing here changes anything, and no look takes longer because a queue is long. Ages and durations are seconds by the
server's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis

from . import keys
from .codec import as_text
from .connection import evalsha
from .endpoint import Command
from .scripts import SURVEY, WORKERS
from .settings import Settings

#: Queues in one write.
_PORTION = 100
#: How far to look for the job that had ended last at the last look: a rate above this is not known.
_LOOK_BACK = 100_000
#: Jobs that have ended last, of which it is told how long they had waited.
_SAMPLE = 20
_MOST_WORKERS = 1000


class QueueInfo(msgspec.Struct, frozen=True):
    """A queue at one moment.

    `workers`: registered ones. `oldest`: full id of the job that is next among those that wait, if it has a record, and
    `oldest_age` since it was enqueued, however long it was to be delayed. `in_rate`, `out_rate`, `failure_rate`: jobs a
    second that came, ended in any way, and failed for good since the same survey's last look; None where not known, as
    at the first. `waits`: seconds from enqueued to claimed, of jobs that began in the last minute and have ended.
    `trouble`: what the server said if the queue cannot be read; the rest is empty then.
    """

    name: str
    scheduled: int = 0
    queued: int = 0
    running: int = 0
    failed: int = 0
    workers: int = 0
    paused: bool = False
    oldest: str | None = None
    oldest_age: float | None = None
    in_rate: float | None = None
    out_rate: float | None = None
    failure_rate: float | None = None
    waits: tuple[float, ...] = ()
    trouble: str | None = None


class HeldJob(msgspec.Struct, frozen=True):
    """A job that a worker holds. `waited`: seconds from enqueued to claimed; None if it was claimed before. `held_for`:
    seconds since it was claimed. `progress` is None or {"done": n, "total": m}.
    """

    id: str
    task: str | None
    attempt: int
    waited: float | None
    held_for: float | None
    progress: dict[str, int] | None


@dataclass(frozen=True)
class WorkerInfo:
    """A registered worker: a child process of `redisq-worker`, or a thread that claims through the library.

    `lease_left`: seconds, negative if its lease has ended and nobody has taken its jobs back yet. `held`: how many jobs
    it has claimed. `jobs`: up to ten of them per queue; a child process runs the first, and the others are next.
    `version` of redisq, `python`, `started_at`, `memory` (bytes in RAM, some seconds ago): what the supervisor of a
    child process tells; None of a thread.
    """

    name: str
    queues: tuple[str, ...]
    lease_left: float
    held: int
    jobs: tuple[HeldJob, ...]
    version: str | None = None
    python: str | None = None
    started_at: datetime | None = None
    memory: int | None = None

    @property
    def host(self) -> str:
        """Where it runs, as far as its name tells."""
        return self._parts[0]

    @property
    def pid(self) -> int | None:
        """The process that registered it: of a child of `redisq-worker`, the supervisor."""
        return int(self._parts[1]) if self._parts[1].isdecimal() else None

    @property
    def _parts(self) -> tuple[str, str]:
        host, _, rest = self.name.removesuffix(self.name[self.name.rfind("-") :]).rpartition("-")
        return (host, rest) if host else (self.name, "")


class Facts(msgspec.Struct, frozen=True):
    """What a supervisor tells of a child. `started`: ms since the epoch, by its own clock; `memory`: bytes."""

    version: str
    python: str
    started: int
    memory: int | None = None


class _Look(msgspec.Struct, frozen=True):
    """What is remembered of a queue until the next look. `at`: ms. `unfinished`: its jobs that had not ended. `ended`:
    the last that had. `failed`: dead letters of that very millisecond, in which others may follow.
    """

    at: int
    unfinished: int
    ended: bytes
    failed: int


class Survey:
    """Looks at the queues of one app. It remembers its last look at each, for the rates."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looks: dict[str, _Look] = {}

    def queues(self, names: Iterable[str]) -> list[QueueInfo]:
        """These queues, in order; a round trip per hundred. ServerUnavailable, InvalidName."""
        infos: list[QueueInfo] = []
        for portion in _portions(names):
            looks = [self._looks.get(name, _Look(0, 0, b"", 0)) for name in portion]
            commands = [
                evalsha(SURVEY, [self._base(name)], (look.ended, look.at, _LOOK_BACK, _SAMPLE))
                for name, look in zip(portion, looks, strict=True)
            ]
            infos += map(self._queue, portion, self._call(commands))
        return infos

    def workers(self, names: Iterable[str], jobs: int = 10) -> list[WorkerInfo]:
        """The workers that are registered with any of these queues, by name; of a queue, the thousand whose leases end
        last. `jobs`: how many of those that each holds to tell of, per queue, from 1 on. A queue that cannot be read
        counts as one without workers. ServerUnavailable, InvalidName.
        """
        found: dict[str, WorkerInfo] = {}
        for portion in _portions(names):
            commands = [evalsha(WORKERS, [self._base(name)], (_MOST_WORKERS, jobs)) for name in portion]
            for queue, reply in zip(portion, self._call(commands), strict=True):
                if not isinstance(reply, redis.ResponseError):
                    for row in reply[1:]:
                        worker = _worker(queue, reply[0], row)
                        found[worker.name] = _merged(found.get(worker.name), worker)
        return [found[name] for name in sorted(found)]

    def _queue(self, name: str, reply: Any) -> QueueInfo:
        if isinstance(reply, redis.ResponseError):
            self._looks.pop(name, None)
            return QueueInfo(name, trouble=str(reply))
        now, scheduled, queued, running, failed, workers, paused, oldest, e, ended, gone, died, dying, waits = reply
        look = _Look(now, scheduled + queued + running, ended or b"", dying)
        before = self._looks.get(name)
        in_rate, out_rate, failure_rate = _rates(before, look, gone, died)
        if before is None or before.at != now:  # else all that happens now is left to the next look
            self._looks[name] = look
        return QueueInfo(
            name=name,
            scheduled=scheduled,
            queued=queued,
            running=running,
            failed=failed,
            workers=workers,
            paused=bool(paused),
            oldest=f"{name}.{as_text(oldest)}" if oldest else None,
            oldest_age=max(0, now - int(e)) / 1000 if oldest else None,
            in_rate=in_rate,
            out_rate=out_rate,
            failure_rate=failure_rate,
            waits=tuple(wait / 1000 for wait in waits),
        )

    def _base(self, name: str) -> str:
        return keys.queue_base(self._settings.namespace, keys.check_name(name))

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        return self._settings.server.call(commands, self._settings.patience)


def _portions(names: Iterable[str]) -> Iterable[list[str]]:
    names = list(names)
    return (names[start : start + _PORTION] for start in range(0, len(names), _PORTION))


def _rates(
    before: _Look | None, look: _Look, ended: int, failed: int
) -> tuple[float | None, float | None, float | None]:
    """In, out, failures a second. What came is what is there more, and what went; a dead letter that is revived comes
    once more.
    """
    seconds = (look.at - before.at) / 1000 if before else 0.0
    if before is None or seconds <= 0:
        return None, None, None
    failed = max(0, failed - before.failed)
    if ended < 0:
        return None, None, failed / seconds
    out = ended + failed
    return max(0, look.unfinished - before.unfinished + out) / seconds, out / seconds, failed / seconds


def _worker(queue: str, now: int, row: Sequence[Any]) -> WorkerInfo:
    name, ends, held, told, *jobs = row
    facts = _facts(told)
    info = WorkerInfo(
        name=as_text(name),
        queues=(queue,),
        lease_left=(float(ends) - now) / 1000,
        held=held,
        jobs=tuple(_held(queue, now, job) for job in jobs),
    )
    if facts is None:
        return info
    started_at = datetime.fromtimestamp(facts.started / 1000, UTC)
    return replace(
        info, version=facts.version, python=facts.python, started_at=started_at, memory=facts.memory
    )


def _facts(told: bytes | None) -> Facts | None:
    try:
        facts = msgspec.json.decode(told or b"", type=Facts)
        datetime.fromtimestamp(facts.started / 1000, UTC)
    except (msgspec.DecodeError, ValueError, OverflowError, OSError):  # nothing was told, or by a later version
        return None
    return facts


def _held(queue: str, now: int, job: Sequence[bytes | None]) -> HeldJob:
    local_id, e, c, task, delivery, failures, progress = job
    enqueued, claimed = _number(e), _number(c)
    done, _, total = (progress or b"").partition(b"/")
    counted = done.isdigit() and total.isdigit()
    return HeldJob(
        id=f"{queue}.{as_text(local_id or b'')}",
        task=as_text(task) if task else None,
        attempt=(_number(failures) or 0) + 1,
        waited=(claimed - enqueued) / 1000 if claimed and enqueued and delivery == b"1" else None,
        held_for=max(0, now - claimed) / 1000 if claimed else None,
        progress={"done": int(done), "total": int(total)} if counted else None,
    )


def _merged(known: WorkerInfo | None, worker: WorkerInfo) -> WorkerInfo:
    """One worker, as two of its queues know it."""
    if known is None:
        return worker
    told = known if known.version is not None else worker
    return replace(
        told,
        queues=known.queues + worker.queues,
        lease_left=min(known.lease_left, worker.lease_left),
        held=known.held + worker.held,
        jobs=known.jobs + worker.jobs,
    )


def _number(text: bytes | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) <= 14 else None
