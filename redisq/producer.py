"""Enqueueing: from a call to a job that the server has acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import Any, NamedTuple, cast

import redis
from msgspec import UNSET

from . import durability as durable
from . import keys
from .codec import as_text
from .connection import CallLost, Route, evalsha
from .endpoint import LOST, Command
from .errors import (
    EnqueueUnknown,
    FeedFull,
    InvalidOption,
    JobNotFound,
    QueueFull,
    RedisQError,
    ServerRefused,
    ServerUnavailable,
)
from .ids import new_id
from .job import Home, Job, as_hash, encode
from .options import DURABILITIES, NEVER, CallOptions
from .policy import Unique, hooks
from .scripts import ENQUEUE, ENQUEUE_AFTER, ENQUEUE_ONCE, FLOW
from .settings import Settings
from .signing import Signer
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

    def under_policy(self, args: Sequence[Any], kwargs: Mapping[str, Any], flow: str = "") -> NewJob:
        """With what its options' policy says of a call with these arguments, and for which jobs it waits. `flow`: the
        workflow that it is of. InvalidOption.
        """
        policy, after = self.options.policy, self.options.after
        if policy is None and after is None and not flow:
            return self
        unique = policy.only_one(self.task, self.body, args, kwargs) if policy else None
        if unique is not None and after is not None:
            raise InvalidOption("unique: not of a job that waits for others")
        limits = policy.limits(self.task, args, kwargs) if policy else []
        more: dict[str, Any] = {"w": flow} if flow else {}
        if after is not None:
            more |= {"a": after.parents, "m": after.mode, "d": self.options.begin}
        return self._replace(hooks=hooks(limits, unique, more), unique=unique)


class Prepared(NamedTuple):
    """A call that enqueues jobs: the fields and commands that it sends, and how many of these announce the queue."""

    jobs: Sequence[NewJob]
    fields: Sequence[list[bytes]]
    commands: list[Command]
    announcing: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(job.local_id for job in self.jobs)


def described(signer: Signer | None, queue: str, job: NewJob) -> list[bytes]:
    """The fields of its record, as encode() has them, signed if there is a signer."""
    if signer is None:
        return encode(job.task, job.body, job.options, job.hooks)
    unique = job.unique.key if job.unique is not None and job.unique.replace else ""

    def sign(run: bytes) -> bytes:
        return signer.sign(queue, job.local_id, job.task.encode(), job.body, run, unique)

    return encode(job.task, job.body, job.options, job.hooks, sign)


def spec(job: NewJob, fields: Sequence[Any], most: int | None = None) -> list[Any]:
    """A job as put() in put.lua reads it. `most`: how many may wait in the queue, if it can be refused."""
    options = job.options
    due = options.begin if options.after is None else NEVER
    feed = options.feed or ""
    return [job.local_id, due, feed if most is None else f"{feed}:{most}", len(fields), *fields]


class Producer:
    """Enqueues into one queue."""

    def __init__(self, settings: Settings, queue: str, base: str, home: Home) -> None:
        self._settings = settings
        self.queue = queue
        self._base = base
        self._home = home

    @property
    def route(self) -> Route:
        """To where the queue is."""
        return self._settings.server.shard(self._base)

    def send(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue in one round trip.

        EnqueueUnknown, ServerUnavailable, ServerRefused, QueueFull, FeedFull, DurabilityUnsupported, NotDurable.
        """
        answers = self.attempt(jobs)
        for answer in answers:
            if isinstance(answer, RedisQError):
                raise answer
        made, eager = cast(list[Job], answers), self._settings.eager
        return made if eager is None else eager(made)

    def attempt(self, jobs: Sequence[NewJob]) -> list[Job | RedisQError]:
        """As `send`, with what became of each. Raised is what befell all."""
        if self.has_to_announce_elsewhere():
            self._announce_elsewhere()
        durability = self.durability(jobs)
        prepared = self.prepare(jobs, durability is not None)
        try:
            replies = self._exchange(prepared.commands, durability)
        except CallLost as error:
            return self.conclude(prepared, error)
        answers = self.conclude(prepared, replies)
        self._confirm(durability, replies, prepared.ids)
        return answers

    def send_flow(self, flow_id: str, what: bytes, jobs: Sequence[NewJob], forwarded: Sequence[bytes]) -> bool:
        """Enqueue a workflow, all of it or nothing, in one round trip: see flow.lua. Whether that made it. Raises what
        `send` does, with the workflow's id.
        """
        if self.has_to_announce_elsewhere():
            self._announce_elsewhere()
        retention, durability = self._settings.retention, self.durability(jobs)
        args: list[Any] = [flow_id, what, retention.feed, retention.ended, len(forwarded), *forwarded]
        for job in jobs:
            args += spec(job, described(self._settings.signer, self.queue, job))
        commands = [evalsha(FLOW, [self._base], args)]
        if not self._is_elsewhere():
            commands.insert(0, self._announcement)
        try:
            replies = self._exchange(commands, durability)
        except CallLost as error:
            raise EnqueueUnknown(str(error), (flow_id,)) if error.sent else error from error.__cause__
        answer = replies[len(commands) - 1]
        if isinstance(answer, redis.ResponseError):
            raise _refusal(answer)
        self._confirm(durability, replies, (flow_id,))
        return bool(answer)

    def _exchange(self, commands: list[Command], durability: str | None) -> list[Any]:
        """The replies; behind them, if it is to be durable, how far it is: for `_confirm`. CallLost."""
        if durability:
            return durable.call(self.route, durability, commands, self._settings.patience)
        return self.route.call(commands, self._settings.patience)

    def _confirm(self, durability: str | None, replies: list[Any], ids: tuple[str, ...]) -> None:
        """NotDurable, with these ids."""
        if durability:
            durable.confirm(self.route, durability, replies, ids, self._settings.patience)

    def prepare(self, jobs: Sequence[NewJob], durable: bool = False) -> Prepared:
        """What is to be sent to the queue's route. It can be sent again as it is. `durable`: it is to be confirmed."""
        fields = [described(self._settings.signer, self.queue, job) for job in jobs]
        announce = [self._announcement] if self._is_to_announce() and not self._is_elsewhere() else []
        calls = self._calls(jobs, fields, "1" if durable else "0")
        return Prepared(jobs, fields, [*announce, *calls], len(announce))

    def conclude(self, prepared: Prepared, outcome: list[Any] | Exception) -> list[Job | RedisQError]:
        """What became of each job, from the replies or from what was raised for want of them."""
        if isinstance(outcome, CallLost) and outcome.sent:
            raise EnqueueUnknown(str(outcome), prepared.ids) from outcome.__cause__
        if isinstance(outcome, Exception):
            raise outcome
        if prepared.announcing and not isinstance(outcome[0], redis.ResponseError):
            self._settings.announced[self.queue] = time.monotonic()
        answers = _answers(prepared.jobs, outcome[prepared.announcing : len(prepared.commands)])
        return [self._job(*row) for row in zip(prepared.jobs, prepared.fields, answers, strict=True)]

    def _calls(self, jobs: Sequence[NewJob], sent_fields: Sequence[list[bytes]], touch: str) -> list[Command]:
        """One for all; after it one for each that is to be the only one of its kind."""
        common = (touch, self._settings.retention.feed)
        args: list[Any] = [*common]
        unique: list[Command] = []
        waits = False
        for job, fields in zip(jobs, sent_fields, strict=True):
            if job.unique is None:
                args += spec(job, fields, job.options.max_length)
                waits = waits or job.options.after is not None
            else:
                how = (job.unique.key, job.unique.scope, "1" if job.unique.replace else "0", *common)
                unique.append(evalsha(ENQUEUE_ONCE, [self._base], (*how, *spec(job, fields, job.options.max_length))))
        if waits:
            args.insert(len(common), self._settings.retention.ended)
        script = ENQUEUE_AFTER if waits else ENQUEUE
        return ([evalsha(script, [self._base], args)] if len(args) > len(common) else []) + unique

    def durability(self, jobs: Sequence[NewJob]) -> str | None:
        """The most that one of them asks for."""
        if all(job.options.durability is UNSET for job in jobs):
            return self._settings.durability
        asked = {job.options.durability for job in jobs}
        wanted = {self._settings.durability if one is UNSET else one for one in asked}
        return next((durability for durability in reversed(DURABILITIES) if durability in wanted), None)

    def has_to_announce_elsewhere(self) -> bool:
        """Whether the queue's name is to be made known in another slot, with a call of its own."""
        return self._is_to_announce() and self._is_elsewhere()

    def _is_to_announce(self) -> bool:
        return time.monotonic() - self._settings.announced.get(self.queue, -ANNOUNCE_EVERY) >= ANNOUNCE_EVERY

    def _is_elsewhere(self) -> bool:
        return self.route is not self._settings.server

    @property
    def _announcement(self) -> Command:
        return ("SADD", keys.queues(self._settings.namespace), self.queue)

    def _announce_elsewhere(self) -> None:
        """That this is away must not keep jobs out of the queue."""
        self._settings.announced[self.queue] = now = time.monotonic()
        elsewhere = self._settings.server.shard(self._announcement[1])
        try:
            elsewhere.probe()
            told = elsewhere.call([self._announcement], ANNOUNCE_PATIENCE)[0]
        except (*LOST, ServerUnavailable) as error:
            told = error
        if isinstance(told, Exception):
            self._settings.announced[self.queue] = now - ANNOUNCE_EVERY + ANNOUNCE_AGAIN

    def _job(self, job: NewJob, sent: list[bytes], answer: Any) -> Job | RedisQError:
        """The job that was made, or the one that was there. Seen after a lost reply, it is the one that was made."""
        local_id = job.local_id
        if job.unique is not None and not isinstance(answer, redis.ResponseError):
            raw_id, answer = answer
            local_id = raw_id.decode()
        if isinstance(answer, redis.ResponseError):
            return _refusal(answer)
        if isinstance(answer, int):
            fields = as_hash(sent)
            fields[b"e"] = b"%d" % answer
            if until(job.options.begin, answer) > answer:
                fields[b"s"] = b"d"
            created = True
        else:
            fields = as_hash(answer)
            ours = job.options.job_id is None or fields.get(b"i") == sent[-1]  # by the nonce of this call
            created = ours and local_id == job.local_id
            if job.options.after is not None and created and fields.get(b"x", b"").endswith(b"there is no such job"):
                return JobNotFound(as_text(fields[b"x"]))
        return Job(self._home, self.queue, local_id, fields, self._settings.codec, created)


def _refusal(answer: redis.ResponseError) -> RedisQError:
    name, _, what = str(answer).partition(" ")
    if name == "FEEDFULL":
        return FeedFull(f"feed {what!r} has too many unread entries")
    if name == "QUEUEFULL":
        return QueueFull(f"{what} jobs wait in the queue, as many as may")
    refused = ServerRefused(str(answer))
    refused.__cause__ = answer
    return refused


def _answers(jobs: Sequence[NewJob], replies: Sequence[Any]) -> Iterator[Any]:
    """By job: see Producer._calls. A call that was refused is so for each of its jobs."""
    unique = sum(job.unique is not None for job in jobs)
    once = iter(replies[len(replies) - unique :])
    together = replies[0] if unique < len(jobs) else ()
    plain = repeat(together) if isinstance(together, redis.ResponseError) else iter(together)
    return (next(plain if job.unique is None else once) for job in jobs)


def batches(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """The jobs in order, as many together as go into one call."""
    remaining = iter(jobs)
    while batch := _batch(remaining):
        yield batch


def _batch(jobs: Iterator[NewJob]) -> list[NewJob]:
    batch, size = [], 0
    for job in islice(jobs, BATCH):
        batch.append(job)
        size += len(job.body)
        if size > BATCH_BYTES:
            break
    return batch
