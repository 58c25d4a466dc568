"""Claimer: a worker's side of the protocol. It is registered, claims under a number, and settles what it holds.

Whoever runs jobs has one: a child process of `redisq-worker`, a thread that claims through the library, a feed's
reader.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis

from . import keys
from .claimed import Claimed, Settlement, Source
from .connection import LONGEST_BLOCK, Link, evalsha
from .endpoint import LOST, Command
from .errors import ServerRefused
from .ids import nonce
from .retry import reconnect_delays
from .scribe import Key
from .scripts import CLAIM, GIVE_BACK, KEEP, REGISTER, RELEASE, RENEW, SETTLE
from .settings import Settings
from .weights import Weights

#: The most bytes of bodies in one claim.
CLAIM_BYTES = 1024 * 1024
#: Seconds between two housekeepings of one worker.
KEEP_EVERY = 0.1
#: What an exchange is tried again after.
TROUBLE = (*LOST, redis.ResponseError)


class Interrupted(Exception):
    """The one who claims was asked to stop while it waited."""


def worker_name() -> str:
    """Who and where, for people; and which incarnation, for the server."""
    host = "".join(c if c.isalnum() or c in "-_" else "-" for c in socket.gethostname())[:24]
    return f"{host}-{os.getpid()}-{nonce(10)}"


def registration(settings: Settings, sources: Sequence[Source], worker: str) -> list[Command]:
    args = (worker, int(settings.lease * 1000), nonce(16))
    return [evalsha(REGISTER, [source.base], args) for source in sources]


def renewal(sources: Sequence[Source], workers: Sequence[str]) -> list[Command]:
    return [evalsha(RENEW, [source.base], workers) for source in sources]


def giving_back(
    settings: Settings, sources: Sequence[Source], worker: str, blamed: str = "", suspects: Sequence[str] = ()
) -> list[Command]:
    """`blamed`: full id of the job that crashed the worker, if one did; `suspects`: of those of which one did."""
    queue, _, local_id = blamed.partition(".")
    who = {full_id.partition(".")[0]: "?" for full_id in suspects} | {queue: local_id}
    r = settings.retention
    return [
        evalsha(GIVE_BACK, [source.base], (worker, who.get(source.name, ""), source.crash_limit, *r.ended_args))
        for source in sources
    ]


def releasing(settings: Settings, sources: Sequence[Source], worker: str, running: str) -> list[Command]:
    """A worker is busy with the job of this full id: what it has claimed behind it runs elsewhere.

    A claim's jobs run in the order of their queues: of those in later queues, none has begun.
    """
    queue, _, local_id = running.partition(".")
    first = [source.name for source in sources].index(queue)
    ids = [local_id, *[""] * (len(sources) - first - 1)]
    return [
        evalsha(RELEASE, [source.base], (worker, id_, *settings.retention.ended_args))
        for source, id_ in zip(sources[first:], ids, strict=True)
    ]


def keeping(settings: Settings, sources: Sequence[Source]) -> list[Command]:
    r = settings.retention
    return [
        evalsha(KEEP, [source.base], (source.crash_limit, *r.ended_args, r.dead, int(r.dead_ttl * 1000)))
        for source in sources
    ]


def settling(settings: Settings, worker: str, settlements: Sequence[Settlement]) -> list[Command]:
    """One call per queue. Those released go in reverse, so that the first of them is the next to run. Before them, what
    the jobs have logged.
    """
    by_base: dict[str, list[Any]] = {}
    released = [settlement for settlement in settlements if settlement.way == "l"]
    for one in [*(s for s in settlements if s.way != "l"), *reversed(released)]:
        job, rest = one.job, one.rest
        args = by_base.setdefault(job.source.base, [worker, *settings.retention.ended_args])
        args += job.id, job.delivery, one.way, one.text, one.ms, len(rest), *rest
    settle = [evalsha(SETTLE, [base], args) for base, args in by_base.items()]
    return settle if not settings.scribe.pages else settings.scribe.unsent(_deliveries(settlements)) + settle


def forget_logs(settings: Settings, settlements: Sequence[Settlement]) -> None:
    """These are, so nothing that they logged is to be sent any more."""
    if settings.scribe.pages:
        settings.scribe.forget(_deliveries(settlements))


def _deliveries(settlements: Sequence[Settlement]) -> list[Key]:
    jobs = [settlement.job for settlement in settlements]
    return [Key(job.source.base, job.id, job.delivery) for job in jobs]


class Call(NamedTuple):
    """One write: what to settle, wait, keep house and claim with; `sources` in the order in which to claim. `budget`:
    of the claim; 0 without one. `ahead`: it may leave jobs that could be claimed.
    """

    settlements: Sequence[Settlement]
    sources: Sequence[Source]
    number: int
    budget: int
    ahead: bool
    settle: list[Command]
    wait: list[Command]
    keep: list[Command]
    claim: list[Command]

    @property
    def commands(self) -> list[Command]:
        return [*self.settle, *self.wait, *self.keep, *self.claim]


class Claimer:
    """Claims from sources, in their order, as one worker. For one thread.

    `stopping` says when to give up waiting for a server that is away; `on_trouble` hears of each error that is waited
    out. `unregistered` holds the names of sources that no longer know this worker: its lease there had ended, and its
    jobs were taken back. `forwarding`: follow-ups wait to be sent to other queues. `held`: deliveries of this worker,
    also by other claimers. `busy_at`: when to claim again, whether or not there was a token. `posted`: what
    has no answer yet. `weights`: who decides on the order, if it is not a fixed one. The sources are of one slot;
    ShardedClaimer claims from several.
    """

    #: Whether a claim that finds nothing may have left out sources that cannot be reached.
    away = False

    def __init__(
        self,
        settings: Settings,
        sources: Sequence[Source],
        worker: str,
        stopping: Callable[[], bool] = lambda: False,
        on_trouble: Callable[[Exception], None] = lambda error: None,
        held: dict[tuple[str, bytes], int] | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.settings = settings
        self.sources = list(sources)
        self.weights = weights
        self.worker = worker
        self.unregistered: set[str] = set()
        self.forwarding = False
        self._number = 0
        self._answered = True
        self.held = {} if held is None else held
        self.stopping = stopping
        self.on_trouble = on_trouble
        self.link: Link = settings.server.shard(sources[0].base).link()
        self._keep_at = 0.0
        self._surveyed = False
        self.posted: deque[Call] = deque()
        self.busy_at = 0.0

    def exchange(
        self, settlements: Sequence[Settlement], budget: int = 0, block: float = 0.0
    ) -> tuple[list[bytes], list[Claimed]]:
        """Settle; wait up to `block` seconds for something to claim; claim up to `budget` jobs: all in one write.

        Answers what settle.lua said of each settlement (in the order of settling()), and the jobs. Sent again until the
        server answers: a settlement is known by its delivery, a claim by its number. Interrupted if `stopping` becomes
        true while there is nothing to settle.
        """
        for delay in reconnect_delays(longest=min(2.0, self.settings.lease / 12)):
            try:
                return self.attempt(settlements, budget or None, block)
            except TROUBLE as error:
                self.on_trouble(error)
            block = 0.0  # the wait may be over
            if self.stopping() and not settlements:
                raise Interrupted
            time.sleep(delay)
        raise AssertionError("the delays never end")

    def attempt(
        self, settlements: Sequence[Settlement], budget: int | None, block: float = 0.0, keep: bool = False
    ) -> tuple[list[bytes], list[Claimed]]:
        """One try of an exchange; one of TROUBLE is raised. `budget`: None not to claim; 0 to claim nothing, and leave
        the token right. `keep`: keep house in any case.
        """
        call = self._prepare(settlements, budget, block, keep)
        return self._complete(call, self.link.round_trip(call.commands))

    def post(
        self, settlements: Sequence[Settlement], budget: int | None, block: float = 0.0, ahead: Source | None = None
    ) -> None:
        """Send an attempt whose answer is for `collect`: meanwhile the server works, or waits. `ahead`: what is claimed
        runs behind jobs of this source, so it is claimed from there, and only while none before it has jobs.
        """
        lost = bool(self.posted) and not self.link.connected  # a new connection would not bring the earlier answers
        call = self._prepare(settlements, budget, block, ahead=ahead)
        self.posted.append(call)
        try:
            if not lost:
                self.link.post(call.commands)
        except TROUBLE as error:
            self.on_trouble(error)

    def collect(self) -> tuple[list[bytes], list[Claimed], Sequence[Settlement]]:
        """The answer to the first that was posted: as `attempt` has it, and the settlements that are to be sent again,
        since no answer came.
        """
        call = self.posted.popleft()
        try:
            if self.link.connected:
                return *self._complete(call, self.link.receive(len(call.commands))), []
        except TROUBLE as error:
            self.on_trouble(error)
            self.link.close()
        return [], [], call.settlements

    def _prepare(
        self,
        settlements: Sequence[Settlement],
        budget: int | None,
        block: float = 0.0,
        keep: bool = False,
        ahead: Source | None = None,
    ) -> Call:
        if budget is not None and (self._answered or self.posted):
            self._number, self._answered = self._number + 1, False
        sources = self.sources if self.weights is None else self.weights.order(self.sources)
        if ahead is not None:
            sources = sources[: sources.index(ahead) + 1]
        settle = settling(self.settings, self.worker, settlements)
        holds = "1" if len(self.held) <= len(settlements) and not self.posted else "0" if ahead is None else "a"
        claim = self._claiming(sources, budget, block, keep, holds)
        return Call(settlements, sources, self._number, budget or 0, ahead is not None, settle, *claim)

    def _complete(self, call: Call, replies: list[Any]) -> tuple[list[bytes], list[Claimed]]:
        count, claimed = len(call.settle), len(replies) - len(call.claim)
        for reply in replies[:count] + replies[claimed:]:
            if isinstance(reply, redis.ResponseError):
                raise reply
        self._answered = self._answered or (bool(call.claim) and call.number == self._number)
        for settlement in call.settlements:
            self.drop(settlement.job)
        forget_logs(self.settings, call.settlements)
        answers = [answer for reply in replies[:count] for answer in reply]
        self._note_waiting(replies[count:claimed], len(call.wait))
        jobs = self._adopt(call.sources, replies[-1]) if call.claim else []
        self._surveyed = bool(call.keep) and not jobs and not call.ahead
        return answers, jobs

    def drop(self, job: Claimed) -> None:
        """This delivery is not held any more. A later one of the same job may be."""
        if self.held.get((job.source.base, job.id)) == job.delivery:
            del self.held[job.source.base, job.id]

    def close(self) -> None:
        self.link.close()

    def _claiming(
        self, sources: Sequence[Source], budget: int | None, block: float, keep: bool, holds: str
    ) -> tuple[list[Command], list[Command], list[Command]]:
        """What to wait with, keep house with, and claim with. `holds`: see claim.lua.

        There is a wait only when house was just kept and nothing found: then it is known when something is due. So
        nothing stands between the token and the claim.
        """
        if budget is None:
            return [], [], []
        now = time.monotonic()
        wait: list[Command] = []
        kept: list[Command] = []
        longest = min(block, LONGEST_BLOCK, self.busy_at - now)
        if self._surveyed and longest > 0.001:
            wait = [("BLPOP", *(source.base + keys.NAMES["wake"] for source in self.sources), f"{longest:.3f}")]
        elif keep or block > 0 or now >= self._keep_at:
            kept = keeping(self.settings, self.sources)
            self._keep_at = now + KEEP_EVERY
        flags = [holds, "1" if kept else "0"]
        is_new = not self.link.connected
        if self.settings.signer is not None:
            flags += ["1" if is_new else "0", "1"]
        elif is_new:
            flags.append("1")
        args = (self.worker, self._number, budget, CLAIM_BYTES, *flags)
        return wait, kept, [evalsha(CLAIM, [source.base for source in sources], args)]

    def _note_waiting(self, replies: Sequence[Any], waited: int) -> None:
        """What the wait and the housekeeping said. An error there must not make the worker deaf to other queues."""
        for reply in replies:
            if isinstance(reply, redis.ResponseError):
                self.on_trouble(reply)
                time.sleep(KEEP_EVERY)
        kept = [reply for reply in replies[waited:] if not isinstance(reply, redis.ResponseError)]
        if kept:
            due = [ms for ms, _ in kept if ms >= 0]
            self.busy_at = time.monotonic() + (min(due) / 1000 if due else float("inf"))
            self.forwarding = any(count for _, count in kept)

    def _adopt(self, sources: Sequence[Source], answers: Sequence[Any]) -> list[Claimed]:
        """The jobs that are new to us: all of a claim's; of those that we hold, the ones whose answer was lost, and the
        ones that a server has again which lost how they were settled.
        """
        jobs: list[Claimed] = []
        for source, answer in zip(sources, answers, strict=True):
            if isinstance(answer, list):
                for id_, delivery, *fields in answer:
                    if self.held.get((source.base, id_)) != int(delivery):
                        self.held[source.base, id_] = int(delivery)
                        jobs.append(Claimed(source, id_, int(delivery), *fields))
            elif answer in (b"unregistered", b"stale"):
                self.unregistered.add(source.name)
            else:
                self.on_trouble(ServerRefused(f"queue {source.name}: {answer.decode()}"))
        if self.weights is not None and jobs:
            self.weights.note(jobs)
            jobs.sort(key=lambda job: self.sources.index(job.source))  # as `releasing` expects them to run
        return jobs
