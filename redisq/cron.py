"""The timetable: what is enqueued by the clock. An entry is declared in code; what became of it, Redis knows.

Workers see to the ticks (worker/ticker.py); here is what an entry is, how a tick of it becomes a job, and what people
do with it. All that Redis has of the entries of a queue is one hash, with these fields for each:

===================  ===================================================================================
<name>:spec          what it is, JSON: the Definition that a worker declared last
<name>:last:<mark>   the latest tick that is done with, ms, under the schedule that has this mark
<name>:tick          the latest tick that was enqueued, ms, and its job's id
<name>:pause         1 while it is paused; then when that ended, ms
===================  ===================================================================================
"""

from __future__ import annotations

import hashlib
import logging
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import msgspec

from . import keys
from .codec import Codec, as_text
from .connection import evalsha
from .endpoint import Command
from .errors import CronNotFound, InvalidOption
from .job import Job, as_hash
from .options import CallOptions
from .producer import NewJob, described, spec
from .queue import Queue
from .schedule import CATCH_UPS, LATE, Schedule
from .scripts import DECLARE, HOLD, TICK
from .settings import Settings
from .times import as_datetime, is_number, server_ms

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class Target(Protocol):
    """What can be called by the clock: a task, also with options."""

    def target(self) -> tuple[str, str, CallOptions]: ...


class Definition(msgspec.Struct, frozen=True):
    """An entry as its code has it. `jitter`: a tick's job may run up to so many ms later. `body`: its arguments."""

    name: str
    queue: str
    task: str
    schedule: Schedule
    catch_up: str
    jitter: int
    body: bytes
    options: CallOptions
    hooks: bytes = b""

    def mark(self) -> str:
        """Tells its schedule from others that the entry had, or has in another version of the code."""
        return hashlib.sha1(str(self.schedule).encode(), usedforsecurity=False).hexdigest()[:8]

    def job(self, tick: int) -> NewJob:
        """The one job of this tick: its id says which."""
        job_id = f"cron.{self.name}.{as_datetime(tick):%Y%m%dT%H%M%SZ}"
        return NewJob(job_id, self.task, self.body, msgspec.structs.replace(self.options, job_id=job_id), self.hooks)

    def declaring(self, settings: Settings) -> Command:
        """The command that makes it known; {the server's time, its latest tick}."""
        args = (self.name, self.mark(), msgspec.json.encode(self))
        return evalsha(DECLARE, [keys.queue_base(settings.namespace, self.queue)], args)

    def ticking(self, settings: Settings, ticks: Sequence[int]) -> Command:
        """The command that enqueues ticks, see tick.lua."""
        args: list[Any] = [self.name, self.mark(), settings.retention.feed]
        for tick in ticks:
            job = self.job(tick)
            description = spec(job, described(settings.signer, self.queue, job))
            # from the id: whichever worker enqueues it, it comes at the same time
            description[1] = tick + self.jitter * zlib.crc32(job.local_id.encode()) // 2**32
            args += [tick, *description]
        return evalsha(TICK, [keys.queue_base(settings.namespace, self.queue)], args)


def define(
    schedule: Schedule,
    target: Target,
    codec: Codec,
    *,
    name: str | None = None,
    jitter: float = 0.0,
    catch_up: str = "last",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
    **options: Any,
) -> Definition:
    """An entry, if it can be one. InvalidOption, InvalidName, NotSerializable, PayloadTooLarge."""
    if not hasattr(target, "target"):
        raise InvalidOption(f"not a task: {target!r:.100} (app.cron and app.every stand above app.task)")
    task, own_queue, call = target.target()
    call = call.with_(**options)
    if call.job_id is not None or call.begin or call.durability is not msgspec.UNSET or call.after is not None:
        raise InvalidOption("job_id, delay, at, durability, after: not of a timetable's jobs")
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", task)[:100] if name is None else name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidOption(f"name: 1 to 100 of A-Z a-z 0-9 _ . -, not {name!r:.160}")
    if not (is_number(jitter) and 0 <= jitter <= 86400):
        raise InvalidOption(f"jitter: seconds from 0 to 86400, not {jitter!r}")
    if catch_up not in CATCH_UPS:
        raise InvalidOption(f"catch_up: {', '.join(map(repr, CATCH_UPS))}, not {catch_up!r}")
    if isinstance(args, str | bytes) or not isinstance(args, Sequence) or not isinstance(kwargs or {}, Mapping):
        raise InvalidOption(f"args, kwargs: a sequence and a mapping, not {args!r:.100} and {kwargs!r:.100}")
    body = codec.encode([args, dict(kwargs or {})])
    queue = keys.check_name(own_queue if queue is None else queue)
    new = NewJob.make(task, body, call).under_policy(args, kwargs or {})
    if new.unique is not None:
        raise InvalidOption("unique: not of a timetable's jobs; concurrency=1 lets no two of them run at once")
    call = msgspec.structs.replace(call, policy=None)
    return Definition(name, queue, task, schedule, catch_up, int(jitter * 1000), body, call, new.hooks)


class Timetable:
    """The entries of one queue, as Redis has them. All of it raises ServerUnavailable and ServerRefused."""

    def __init__(self, settings: Settings, queue: Queue) -> None:
        self._settings = settings
        self._queue = queue
        self._key = f"{queue.base}{keys.NAMES['cron']}"

    def entry(self, definition: Definition) -> CronEntry:
        """Not looked at yet."""
        d = definition
        return CronEntry(d.name, d.queue, d.task, str(d.schedule), d.catch_up, self, d)

    def entries(self) -> list[CronEntry]:
        """All that workers have declared, by name."""
        now, state = self._state()
        read = [self._read(field, text) for field, text in sorted(state.items()) if field.endswith(":spec")]
        found = [self._looked_at(definition, now, state) for definition in read if definition is not None]
        return [replace(entry, only_read=True) for entry in found]

    def find(self, name: str) -> CronEntry:
        """CronNotFound."""
        for entry in self.entries():
            if entry.name == name:
                return entry
        raise CronNotFound(f"no entry {name!r:.100} in the timetable of queue {self._queue.name}")

    def look(self, definitions: Sequence[Definition]) -> list[CronEntry]:
        """What became of these, at one moment."""
        now, state = self._state()
        return [self._looked_at(definition, now, state) for definition in definitions]

    def hold(self, name: str, on: str) -> None:
        self._call(evalsha(HOLD, [self._queue.base], (name, on, *self._settings.retention.ended_args)))

    @property
    def signs(self) -> bool:
        """Whether what it enqueues is signed."""
        return self._settings.signer is not None

    def enqueue(self, definition: Definition) -> Job:
        new = NewJob.make(definition.task, definition.body, definition.options)._replace(hooks=definition.hooks)
        return self._queue.bound(definition.options).send([new])[0]

    def forget(self, name: str) -> None:
        fields = [field for field in self._call(("HKEYS", self._key))[0] if field.startswith(f"{name}:".encode())]
        if fields:
            self._call(("HDEL", self._key, *fields))

    def _looked_at(self, definition: Definition, now: int, state: Mapping[str, bytes]) -> CronEntry:
        name, schedule = definition.name, definition.schedule
        paused = state.get(f"{name}:pause") == b"1"
        tick, _, local_id = as_text(state.get(f"{name}:tick", b"")).partition(" ")
        known, done = tick.isdecimal(), as_text(state.get(f"{name}:last:{definition.mark()}", b""))
        try:
            upcoming, due = (
                next(schedule.ticks(now), None),
                next(schedule.ticks(int(done) if done.isdecimal() else now), now),
            )
        except InvalidOption:  # cronsim is not installed here, or knows less: what else is known is told all the same
            upcoming, due = None, now
        return replace(
            self.entry(definition),
            paused=paused,
            last=as_datetime(int(tick)) if known else None,
            last_job=f"{definition.queue}.{local_id}" if known else None,
            next=as_datetime(upcoming) if upcoming is not None and not paused else None,
            overdue=not paused and now - due > LATE,
        )

    def _read(self, field: str, text: bytes) -> Definition | None:
        """What a worker has declared; None if it cannot be read."""
        try:
            return msgspec.json.decode(text, type=Definition)
        except msgspec.DecodeError as error:
            log.warning("cron.unreadable queue=%s entry=%s error=%s", self._queue.name, field[:-5], error)
            return None

    def _state(self) -> tuple[int, dict[str, bytes]]:
        """The server's time, ms, and the hash."""
        now, flat = self._call(("TIME",), ("HGETALL", self._key))
        return server_ms(now), {as_text(field): value for field, value in as_hash(flat).items()}

    def _call(self, *commands: Command) -> list[Any]:
        return self._settings.server.shard(self._queue.base).ask(commands, self._settings.patience)


@dataclass(frozen=True, eq=False, repr=False)
class CronEntry:
    """An entry of the timetable, as it was when it was looked at; `refresh()` looks again. What `app.cron` answers has
    not been looked at yet.

    `last`: the latest tick of which a job was made, which is `last_job` (a full id); `next`: the next tick, None while
    it is paused. `overdue`: nobody sees to its ticks: no worker runs on its queue, or none has it in its code.
    `only_read`: not from the code, but what Redis has, as anybody may have written it.
    """

    name: str
    queue: str
    task: str
    schedule: str
    catch_up: str
    home: Timetable
    definition: Definition
    paused: bool = False
    last: datetime | None = None
    last_job: str | None = None
    next: datetime | None = None
    overdue: bool = False
    only_read: bool = False

    def __repr__(self) -> str:
        return f"<CronEntry {self.name} {self.schedule}{' paused' * self.paused}>"

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Its ticks after a moment, one after the other, in UTC."""
        return map(as_datetime, self.definition.schedule.ticks(int(after.timestamp() * 1000)))

    def refresh(self) -> CronEntry:
        """The entry as it is now."""
        return replace(self.home.look([self.definition])[0], only_read=self.only_read)

    def pause(self) -> CronEntry:
        """No tick starts a job from now on, until it is resumed. Answers the entry as it then is."""
        self.home.hold(self.name, "1")
        return self.refresh()

    def resume(self) -> CronEntry:
        """Go on with the next tick; those of the pause are not made up for. Answers the entry as it then is."""
        self.home.hold(self.name, "0")
        return self.refresh()

    def run(self) -> Job:
        """Enqueue a job now, beside its ticks, also while it is paused. InvalidOption if jobs are signed, and the entry
        is not from the code.
        """
        if self.only_read and self.home.signs:
            raise InvalidOption(f"{self.name}: what Redis has of an entry is not signed; run it by the code")
        return self.home.enqueue(self.definition)

    def forget(self) -> None:
        """Delete what Redis has of it, if it is gone from the code. Where a worker still has it, it begins anew."""
        self.home.forget(self.name)


class Crons:
    """The entries that an app's code has. `definitions`: by name."""

    def __init__(self, codec: Codec, timetable: Callable[[str], Timetable]) -> None:
        self.definitions: dict[str, Definition] = {}
        self._codec = codec
        self._timetable = timetable

    def register(self, schedule: Schedule, target: Any, **options: Any) -> Any:
        """The entry; without a target, a decorator."""

        def decorate(target: Any) -> Any:
            self._add(schedule, target, options)
            return target

        if target is None:
            return decorate
        definition = self._add(schedule, target, options)
        return self._timetable(definition.queue).entry(definition)

    def look(self) -> list[CronEntry]:
        """All of them, in the order of the code, each queue's at one moment."""
        entries: dict[str, CronEntry] = {}
        for queue in dict.fromkeys(definition.queue for definition in self.definitions.values()):
            mine = [definition for definition in self.definitions.values() if definition.queue == queue]
            entries |= {entry.name: entry for entry in self._timetable(queue).look(mine)}
        return [entries[name] for name in self.definitions]

    def _add(self, schedule: Schedule, target: Target, options: Mapping[str, Any]) -> Definition:
        definition = define(schedule, target, self._codec, **options)
        if definition.name in self.definitions:
            raise InvalidOption(f"name: the timetable has an entry {definition.name!r} already")
        self.definitions[definition.name] = definition
        return definition
