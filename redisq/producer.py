"""Enqueueing: from a call to a job that the server has acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import redis
from msgspec import UNSET

from . import durability as durable
from . import keys
from .connection import CallLost, evalsha
from .endpoint import LOST, Command
from .errors import EnqueueUnknown, FeedFull, ServerRefused, ServerUnavailable
from .ids import new_id
from .job import Home, Job, as_hash, encode
from .options import DURABILITIES, CallOptions
from .policy import Unique, hooks
from .scripts import ENQUEUE, ENQUEUE_ONCE
from .settings import Settings
from .times import until

#: Jobs in one call of the script: a round trip per so many, and short enough not to hold others up.
BATCH = 250
#: The most bytes in one call.
BATCH_BYTES = 1024 * 1024
#: Seconds after which a queue's name is written to the set of all queues again.
ANNOUNCE_EVERY = 10.0
#: Seconds for which that is tried, where it is a call of its own…
ANNOUNCE_PATIENCE = 1.0
#: … and until the next try, if it failed.
ANNOUNCE_AGAIN = 3.0


class NewJob(NamedTuple):
    """A job before it is enqueued. `task` is empty for a payload without one; `body` is its JSON."""

    local_id: str
    task: str
    body: bytes
    options: CallOptions
    hooks: bytes = b""
    unique: Unique | None = None

    @classmethod
    def make(cls, task: str, body: bytes, options: CallOptions) -> NewJob:
        return cls(options.job_id or new_id(), task, body, options)

    def under_policy(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
        """With what its options' policy says of a call with these arguments. InvalidOption."""
        policy = self.options.policy
        if policy is None:
            return self
        unique = policy.only_one(self.task, self.body, args, kwargs)
        return self._replace(hooks=hooks(policy.limits(self.task, args, kwargs), unique), unique=unique)


def spec(job: NewJob, fields: Sequence[Any]) -> list[Any]:
    """A job as put() in put.lua reads it."""
    options = job.options
    return [job.local_id, options.begin, options.feed or "", len(fields), *fields]


class Producer:
    """Enqueues into one queue."""

    def __init__(self, settings: Settings, queue: str, base: str, home: Home) -> None:
        self._settings = settings
        self._queue = queue
        self._base = base
        self._home = home
        self._announced = float("-inf")

    def send_all(self, jobs: Iterable[NewJob]) -> Iterator[Job]:
        """Enqueue in batches, each acknowledged before its jobs are answered, in order."""
        remaining = iter(jobs)
        while batch := _batch(remaining):
            yield from self.send(batch)

    def send(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue in one round trip.

        EnqueueUnknown, ServerUnavailable, ServerRefused, FeedFull, DurabilityUnsupported, NotDurable.
        """
        shard, patience = self._settings.server.shard(self._base), self._settings.patience
        ids = tuple(job.local_id for job in jobs)
        durability = self._durability(jobs)
        sent_fields = [encode(job.task, job.body, job.options, job.hooks) for job in jobs]
        announce = self._announce()
        commands = [*announce, *self._calls(jobs, sent_fields, "1" if durability else "0")]
        try:
            if durability:
                replies = durable.call(shard, durability, commands, patience)
            else:
                replies = shard.call(commands, patience)
        except CallLost as error:
            if error.sent:
                raise EnqueueUnknown(str(error), ids) from error.__cause__
            raise
        if announce and not isinstance(replies[0], redis.ResponseError):
            self._announced = time.monotonic()
        answers = _answers(jobs, replies[len(announce) : len(commands)])
        if durability:
            durable.confirm(shard, durability, replies, ids, patience)
        return [self._job(*row) for row in zip(jobs, sent_fields, answers, strict=True)]

    def _calls(self, jobs: Sequence[NewJob], sent_fields: Sequence[list[bytes]], touch: str) -> list[Command]:
        """One for all; after it one for each that is to be the only one of its kind."""
        common = (touch, self._settings.retention.feed)
        args: list[Any] = [*common]
        unique: list[Command] = []
        for job, fields in zip(jobs, sent_fields, strict=True):
            if job.unique is None:
                args += spec(job, fields)
            else:
                how = (job.unique.key, job.unique.scope, "1" if job.unique.replace else "0", *common)
                unique.append(evalsha(ENQUEUE_ONCE, [self._base], (*how, *spec(job, fields))))
        return ([evalsha(ENQUEUE, [self._base], args)] if len(args) > len(common) else []) + unique

    def _durability(self, jobs: Sequence[NewJob]) -> str | None:
        """The most that one of them asks for."""
        if all(job.options.durability is UNSET for job in jobs):
            return self._settings.durability
        asked = {job.options.durability for job in jobs}
        wanted = {self._settings.durability if one is UNSET else one for one in asked}
        return next((durability for durability in reversed(DURABILITIES) if durability in wanted), None)

    def _announce(self) -> list[Command]:
        """What makes the queue's name known, to be sent along; sent already if it belongs elsewhere."""
        now = time.monotonic()
        if now - self._announced < ANNOUNCE_EVERY:
            return []
        command = ("SADD", keys.queues(self._settings.namespace), self._queue)
        server = self._settings.server
        if server.shard(self._base) is server:
            return [command]
        self._announced = now
        # In a cluster it is another slot. That this is away must not keep jobs out of the queue.
        elsewhere = server.shard(command[1])
        try:
            elsewhere.probe()
            told = elsewhere.call([command], ANNOUNCE_PATIENCE)[0]
        except (*LOST, ServerUnavailable) as error:
            told = error
        if isinstance(told, Exception):
            self._announced = now - ANNOUNCE_EVERY + ANNOUNCE_AGAIN
        return []

    def _job(self, job: NewJob, sent: list[bytes], answer: Any) -> Job:
        """The job that was made, or the one that was there. Seen after a lost reply, it is the one that was made."""
        local_id = job.local_id
        if job.unique is not None:
            raw_id, answer = answer
            local_id = raw_id.decode()
        if isinstance(answer, redis.ResponseError):
            if str(answer).startswith("FEEDFULL"):
                raise FeedFull(f"feed {job.options.feed!r} has too many unread entries")
            raise ServerRefused(str(answer)) from answer
        if isinstance(answer, int):
            fields = as_hash(sent)
            fields[b"e"] = b"%d" % answer
            if until(job.options.begin, answer) > answer:
                fields[b"s"] = b"d"
            created = True
        else:
            fields = as_hash(answer)
            created = local_id == job.local_id and (
                job.options.job_id is None or fields.get(b"i") == sent[-1]
            )  # our nonce
        return Job(self._home, self._queue, local_id, fields, self._settings.codec, created)


def _answers(jobs: Sequence[NewJob], replies: Sequence[Any]) -> Iterator[Any]:
    """By job: see Producer._calls. ServerRefused."""
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise ServerRefused(str(reply)) from reply
    unique = sum(job.unique is not None for job in jobs)
    plain, once = iter(replies[0] if unique < len(jobs) else ()), iter(replies[len(replies) - unique :])
    return (next(plain if job.unique is None else once) for job in jobs)


def _batch(jobs: Iterator[NewJob]) -> list[NewJob]:
    batch, size = [], 0
    for job in islice(jobs, BATCH):
        batch.append(job)
        size += len(job.body)
        if size > BATCH_BYTES:
            break
    return batch
