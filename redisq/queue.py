"""Queue: jobs of one name, in one slot. What producers do with it, and what can be done to one job; what operators do
is in operating.py, claiming in consuming.py.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import islice
from typing import Any

import redis

from . import keys
from .bound import BoundQueue, Call, Progress
from .claimed import Claimed
from .codec import as_text
from .connection import LONGEST_BLOCK, evalsha
from .endpoint import Command
from .errors import InvalidOption, JobNotFound, JobRunning, ServerRefused, WaitTimeout
from .job import STATUSES, UNFINISHED, Job, Parent, as_hash
from .logline import LogEntry
from .logline import read as read_log
from .loops import Loops
from .observed import ObservedQueue
from .operating import OperatedQueue
from .options import NO_OPTIONS, CallOptions
from .parents import parents
from .producer import NewJob, Producer
from .scripts import AWAIT, CANCEL, DELETE, REVIVE, Script
from .search import LOOKED_THROUGH, Filter, JobPage, Walk, look_through
from .settings import Settings
from .survey import Survey
from .times import as_datetime, server_ms
from .watch import Ending, Key, Watch, news

#: Ids in one look: few at first, since few may be wanted.
_FIRST_PAGE = 20
_PAGE = 200
_LONG_AGO = as_datetime(0)


def queue_names(settings: Settings) -> set[str]:
    """Of all queues into which something was ever enqueued. ServerUnavailable, ServerRefused."""
    names = settings.server.ask([("SMEMBERS", keys.queues(settings.namespace))], settings.patience)[0]
    return {name for raw in names if keys.is_name(name := raw.decode("utf-8", "replace"))}


class Queue(OperatedQueue):
    """One queue. It exists as soon as something is enqueued; making this object asks the server nothing."""

    def __init__(self, settings: Settings, name: str) -> None:
        super().__init__(settings, name)
        self._producer = Producer(settings, name, self.base, self)
        self._kind = BoundQueue if settings.observers is None else ObservedQueue
        self._bound = self.bound(NO_OPTIONS)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    # Producers

    def options(self, **options: Any) -> BoundQueue:
        """The queue, for calls with these options: those of CallOptions, RunOptions and Policy."""
        return self.bound(NO_OPTIONS.with_(**options))

    def bound(self, options: CallOptions) -> BoundQueue:
        return self._kind(self._settings, self._producer, options)

    def enqueue(self, task: str, /, *args: Any, **kwargs: Any) -> Job:
        """Enqueue a call of a task by its name; the server has it when this returns."""
        return self._bound.enqueue(task, *args, **kwargs)

    def enqueue_many(self, task: str, calls: Iterable[Call]) -> list[Job]:
        """Enqueue many calls of a task, a few hundred a round trip; each is whole or absent."""
        return self._bound.enqueue_many(task, calls)

    def enqueue_bulk(self, task: str, calls: Iterable[Call], progress: Progress | None = None) -> int:
        """Enqueue any number of calls, of which it holds a few hundred at a time; answers how many. `calls` is read as
        it goes, so a generator will do. After each round trip `progress` is called with how many are acknowledged.
        Raised is what enqueue_many raises: all that `progress` was told stays. Of the calls after those, some may be
        there too: sending them again is safe if each has a `job_id`.
        """
        return self._bound.enqueue_bulk(task, calls, progress)

    def put(self, payload: Any) -> Job:
        """Enqueue any JSON value, for whoever claims from this queue."""
        return self._bound.put(payload)

    def enqueue_flow(self, flow_id: str, what: bytes, jobs: Sequence[NewJob], forwarded: Sequence[bytes]) -> bool:
        """See Producer.send_flow."""
        return self._producer.send_flow(flow_id, what, jobs, forwarded)

    async def enqueue_async(self, task: str, /, *args: Any, **kwargs: Any) -> Job:
        """As `enqueue`, of a coroutine. Cancelled, it leaves a job that may or may not exist."""
        return await self._bound.enqueue_async(task, *args, **kwargs)

    async def enqueue_many_async(self, task: str, calls: Iterable[Call]) -> list[Job]:
        """As `enqueue_many`, of a coroutine."""
        return await self._bound.enqueue_many_async(task, calls)

    async def enqueue_bulk_async(self, task: str, calls: Iterable[Call], progress: Progress | None = None) -> int:
        """As `enqueue_bulk`, of a coroutine. Other coroutines run while a round trip is under way."""
        return await self._bound.enqueue_bulk_async(task, calls, progress)

    async def put_async(self, payload: Any) -> Job:
        """As `put`, of a coroutine."""
        return await self._bound.put_async(payload)

    # Looking

    def jobs(self, status: str | None = None, limit: int = 100) -> Iterator[Job]:
        """Up to `limit` jobs with this status (None: any), the newest first. InvalidOption."""
        if status not in (None, *STATUSES.values()):
            raise InvalidOption(f"status: one of {', '.join(STATUSES.values())}, not {status!r}")
        if not isinstance(limit, int) or limit < 0:
            raise InvalidOption(f"limit: a whole number from 0 on, not {limit!r}")
        return islice(self._jobs(status), limit)

    def search(self, chosen_by: Filter, cursor: str | None = None, limit: int = 50) -> JobPage[Job]:
        """Up to `limit` jobs that the filter chooses, after those of an earlier page; its cost does not grow with the
        queue. InvalidOption.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= LOOKED_THROUGH:
            raise InvalidOption(f"limit: a whole number from 1 to {LOOKED_THROUGH}, not {limit!r}")
        found, after, seen = look_through(Walk(self._settings, self.name, chosen_by, cursor), limit)
        return JobPage([job for job in self.find(found) if job is not None], after, seen)

    def oldest(self) -> Job | None:
        """The job that is next among those that wait; None if nothing waits. As long as the queue may be, one look."""
        oldest = Survey(self._settings).queues([self.name])[0].oldest
        return None if oldest is None else self.find([oldest.partition(".")[2]])[0]

    def fetch(self, local_id: str) -> Job:
        """The job as it is now; JobNotFound. Its id comes without the queue's name."""
        job = self.find([local_id])[0]
        if job is None:
            raise JobNotFound(f"no job {self.name}.{local_id}")
        return job

    def find(self, local_ids: Sequence[str]) -> list[Job | None]:
        """The jobs as they are now, in order; None for one that is not there."""
        commands = [("HGETALL", self._key("job", local_id)) for local_id in local_ids]
        jobs = [self._decode(*row) for row in zip(local_ids, self._look_up(commands), strict=True)]
        return [None if job and self._expired(job) else job for job in jobs]

    def wait(self, local_id: str, timeout: float | None) -> Job:
        """The job once it has ended; WaitTimeout, JobNotFound."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            commands: list[Command] = [("HGETALL", self._key("job", local_id))]
            if remaining > 0:
                block = max(0.01, min(remaining, LONGEST_BLOCK))
                done = self._key("done", local_id)
                # rotating the list wakes all who wait; taking its token would wake one
                commands[:0] = [evalsha(AWAIT, [self.base], [local_id]), ("BLMOVE", done, done, "LEFT", "RIGHT", block)]
            job = self._decode(local_id, self._call(commands, max(self._settings.patience, remaining))[-1])
            if job is None:
                raise JobNotFound(f"no job {self.name}.{local_id}")
            if job.status not in UNFINISHED:
                return job
            if remaining <= 0:
                raise WaitTimeout(f"job {job.id} is still {job.status}")

    def logs(self, local_id: str) -> list[LogEntry]:
        """What a job has logged; nothing if there is no such job."""
        return read_log(self._call([("LRANGE", self._key("log", local_id), 0, -1)])[0])

    # The same, of coroutines

    async def logs_async(self, local_id: str) -> list[LogEntry]:
        """As `logs`."""
        line = self._settings.loops.here().line(self._producer.route, self._settings.patience)
        return read_log((await line.ask([("LRANGE", self._key("log", local_id), 0, -1)]))[0])

    async def fetch_async(self, local_id: str) -> Job:
        """As `fetch`."""
        line = self._settings.loops.here().line(self._producer.route, self._settings.patience)
        flat, now = await line.ask([("HGETALL", self._key("job", local_id)), ("TIME",)])
        job = self._decode(local_id, flat)
        if job is None or _has_expired(job, now):
            raise JobNotFound(f"no job {self.name}.{local_id}")
        return job

    async def wait_async(self, local_id: str, timeout: float | None) -> Job:
        """As `wait`."""
        async with aclosing(news([self.ending(local_id)], timeout)) as came:
            async for ending in came:
                return self.ended(ending)
        raise WaitTimeout(f"job {self.name}.{local_id} has not ended")

    def ending(self, local_id: str) -> Ending:
        """For a coroutine of the running loop to wait for."""
        here, route = self._settings.loops.here(), self._producer.route
        watch = here.get(("watch", route), lambda here: Watch(here, route, self._settings.patience))
        return watch.add(Key(self.base, local_id))

    def ended(self, ending: Ending) -> Job:
        """The job as it has ended; JobNotFound. Raises what kept it from being known."""
        job = self._decode(ending.key.id, ending.future.result())
        if job is None:
            raise JobNotFound(f"no job {self.name}.{ending.key.id}")
        return job

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def loops(self) -> Loops:
        return self._settings.loops

    # Acting

    def cancel(self, local_id: str) -> Job:
        return self._act(CANCEL, local_id, *self._settings.retention.ended_args)

    def revive(self, local_id: str) -> Job:
        return self._act(REVIVE, local_id)

    def delete(self, local_id: str) -> None:
        answer = self._run(DELETE, local_id, self._settings.retention.ended)
        if answer == b"running":
            raise JobRunning(f"job {self.name}.{local_id} is running")
        if answer == b"missing":
            raise JobNotFound(f"no job {self.name}.{local_id}")

    def parents(self, local_id: str) -> list[Parent]:
        return parents(self._settings, self.name, local_id)

    def read(self, claimed: Claimed, changes: Mapping[bytes, bytes] = {}) -> Job:
        """The job that was claimed, as it is while it runs; or with these fields, after it."""
        c = claimed
        known = {
            "v": c.version,
            "t": c.task,
            "b": c.body,
            "o": c.options,
            "e": c.enqueued,
            "a": c.attempts,
            "f": c.feed,
        }
        fields = {name.encode(): value for name, value in known.items() if value is not None}
        fields |= {b"s": b"r", b"d": b"%d" % c.delivery, **changes}
        return Job(self, self.name, c.id.decode(), fields, self._settings.codec)

    # Within

    def _key(self, name: str, rest: str = "") -> str:
        return f"{self.base}{keys.NAMES[name]}{rest}"

    def _look_up(self, commands: Sequence[Command]) -> list[Any]:
        """Records. One of a wrong type counts as none: it must not hide the others."""
        replies = self._settings.server.shard(self.base).call(commands, self._settings.patience)
        for reply in replies:
            if isinstance(reply, redis.ResponseError) and not str(reply).startswith("WRONGTYPE"):
                raise ServerRefused(str(reply)) from reply
        return [() if isinstance(reply, redis.ResponseError) else reply for reply in replies]

    def _act(self, script: Script, local_id: str, *args: Any) -> Job:
        flat = self._run(script, local_id, *args)
        job = self._decode(local_id, flat)
        if job is None:
            raise JobNotFound(f"no job {self.name}.{local_id}")
        return job

    def _decode(self, local_id: str, flat: Any) -> Job | None:
        fields = flat if isinstance(flat, dict) else as_hash(flat)
        return Job(self, self.name, local_id, fields, self._settings.codec) if b"v" in fields else None

    def _expired(self, job: Job) -> bool:
        """Whether only its id is still known. Asks for the server's time only where it matters."""
        if job.expires_at is None:
            return False
        return _has_expired(job, self._call([("TIME",)])[0])

    def _jobs(self, status: str | None) -> Iterator[Job]:
        places = [self._jobs_in(place, status) for place in self._places(status)]
        yield from heapq.merge(*places, key=age, reverse=True)

    def _jobs_in(self, place: tuple[str, str], status: str | None) -> Iterator[Job]:
        command, key = place
        start, size = 0, _FIRST_PAGE
        while page := self._call([(command, key, start, start + size - 1)])[0]:
            for job in self.find(list(map(as_text, page))):
                if job is not None and status in (None, job.status):
                    yield job
            start, size = start + size, _PAGE

    def _places(self, status: str | None) -> list[tuple[str, str]]:
        """Where jobs with this status may be: how to read each place, the newest first."""
        workers = self._call([("ZRANGE", self._key("workers"), 0, -1)])[0] if status in (None, "running") else []
        places = [("running", "LRANGE", self._key("claimed", worker.decode())) for worker in workers] + [
            ("queued", "LRANGE", self._key("pending")),
            ("queued", "LRANGE", self._key("suspects")),
            ("scheduled", "ZREVRANGE", self._key("scheduled")),
            ("failed", "ZREVRANGE", self._key("dead")),
            ("ended", "LRANGE", self._key("ended")),
        ]
        place = "ended" if status in ("succeeded", "cancelled") else status
        return [(command, key) for name, command, key in places if place in (None, name)]


def age(job: Job) -> datetime:
    """To sort jobs by: when it was created, if its record tells."""
    return job.created_at or _LONG_AGO


def _has_expired(job: Job, now: Sequence[bytes]) -> bool:
    """As of TIME."""
    return job.expires_at is not None and as_datetime(server_ms(now)) >= job.expires_at
