"""Claiming from queues in several slots of a cluster: a claimer for each, behind the face of one.

A script works in one slot, and so does a wait. An idle worker waits for all its slots at once, each on a connection of
its own. When a token comes, the other waits are ended; then the slots are asked in the order of their priority until
one has jobs. A slot whose token was taken is asked in any case, if only to leave the token right. A slot that cannot be
reached is left out for a while, and what is to be settled there waits: the others go on.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from . import keys
from .claimed import Claimed, Settlement, Source
from .claimer import TROUBLE, Claimer, Interrupted
from .connection import LONGEST_BLOCK, PROBE_TIMEOUT, Link
from .endpoint import LOST
from .retry import reconnect_delays
from .settings import Settings
from .weights import Weights

#: Seconds between two tellings: the first may have come before the wait.
UNBLOCK_EVERY = 0.02


class Part:
    """The claimer of one slot, a connection to wait on, and what is to be settled there.

    `again_at`: when to try again, if the slot could not be reached; else 0.
    """

    def __init__(self, claimer: Claimer) -> None:
        self.claimer = claimer
        self.unsettled: list[Settlement] = []
        self.again_at = 0.0
        self.link: Link = claimer.settings.server.shard(claimer.sources[0].base).link()
        self._slow = False
        self._delays = self._new_delays()
        self._client_id = 0

    def attempt(self, budget: int | None, keep: bool) -> tuple[list[bytes], list[Claimed]]:
        """See Claimer.attempt."""
        began = time.monotonic()
        try:
            if self._slow:
                self.claimer.settings.server.shard(self.claimer.sources[0].base).probe(self.claimer.link.endpoint)
            answers, jobs = self.claimer.attempt(self.unsettled, budget, keep=keep)
        except TROUBLE:
            self._put_off(began)
            raise
        if self.again_at:
            self.again_at, self._slow, self._delays = 0.0, False, self._new_delays()
        self.unsettled = []
        return answers, jobs

    def begin_wait(self, seconds: float) -> bool:
        """Wait for the slot's token. Whether it could be sent."""
        wakes = [source.base + keys.NAMES["wake"] for source in self.claimer.sources]
        try:
            self.link.send([("CLIENT", "ID"), ("BLPOP", *wakes, f"{seconds:.3f}")])
            self._client_id = self.link.receive(1)[0]
        except TROUBLE:
            self.link.close()
            return False
        return True

    def end_wait(self) -> bool:
        """End it, if it still lasts. Whether the token was, or may have been, taken."""
        began = time.monotonic()
        try:
            if self._unblock():
                reply = self.link.receive(1)[0]
                if not isinstance(reply, Exception):
                    return reply is not None
        except LOST:
            self.claimer.link.close()
        if time.monotonic() - began > PROBE_TIMEOUT:
            self._put_off(began)
        self.link.close()  # the slot may have moved
        return True

    def close(self) -> None:
        self.link.close()
        self.claimer.close()

    def _put_off(self, began: float) -> None:
        """Something that began then has failed. Who takes long to fail is asked less often, since others wait."""
        took = time.monotonic() - began
        self._slow = self._slow or took > PROBE_TIMEOUT
        self.again_at = time.monotonic() + max(next(self._delays), 2 * took)

    def _unblock(self) -> bool:
        """Have the server end the wait. Whether it has ended."""
        told = self.claimer.link
        deadline = time.monotonic() + PROBE_TIMEOUT
        while not self.link.readable():
            if time.monotonic() > deadline or told.endpoint is not self.link.endpoint:
                return False
            told.send([("CLIENT", "UNBLOCK", self._client_id)])
            if not told.readable(PROBE_TIMEOUT):
                told.close()
                return False
            told.receive(1)
            self.link.readable(UNBLOCK_EVERY)
        return True

    def _new_delays(self) -> Iterator[float]:
        return reconnect_delays(longest=min(2.0, self.claimer.settings.lease / 12))


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class ShardedClaimer:
    """As a Claimer, of sources in several slots. A wait also ends when one of the `bells` can be read."""

    def __init__(
        self,
        settings: Settings,
        worker: str,
        stopping: Callable[[], bool],
        on_trouble: Callable[[Exception], None],
        claimers: Sequence[Claimer] = (),
        weights: Weights | None = None,
    ) -> None:
        self.settings = settings
        self.worker = worker
        self.bells: list[HasFileno] = []
        self._weights = weights
        self._stopping = stopping
        self._on_trouble = on_trouble
        self._held = claimers[0].held if claimers else {}
        self._parts = [Part(claimer) for claimer in claimers]

    @property
    def sources(self) -> list[Source]:
        return [source for part in self._parts for source in part.claimer.sources]

    @property
    def unregistered(self) -> set[str]:
        return {name for part in self._parts for name in part.claimer.unregistered}

    @property
    def forwarding(self) -> bool:
        return any(part.claimer.forwarding for part in self._parts)

    @property
    def away(self) -> bool:
        return any(part.again_at for part in self._parts)

    def add(self, sources: Sequence[Source]) -> None:
        """Claim from these too; the worker is registered there."""
        for group in self.settings.server.groups(sources):
            claimer = Claimer(
                self.settings, group, self.worker, self._stopping, self._on_trouble, self._held, self._weights
            )
            self._parts.append(Part(claimer))

    def exchange(
        self, settlements: Sequence[Settlement], budget: int = 0, block: float = 0.0
    ) -> tuple[list[bytes], list[Claimed]]:
        """See Claimer.exchange. What is to be settled in a slot that is away is kept for the next exchange; only one
        that claims nothing goes on until all is settled.
        """
        for settlement in settlements:
            self._part_of(settlement.job).unsettled.append(settlement)
        taken = set() if block <= 0 or self._owing() else self._wait(block)
        waited = block > 0
        answers: list[bytes] = []
        while True:
            said, jobs = self._round(budget, taken, idle=waited)
            answers += said
            owing = self._owing()
            if jobs or self._rung() or not (owing or (budget and self.away)):
                return answers, jobs
            if self._stopping():
                if not owing and not settlements:
                    raise Interrupted
                budget = 0
            elif budget and waited and any(not part.again_at for part in self._parts):
                return answers, jobs
            taken, waited = self._wait(LONGEST_BLOCK), True

    def drop(self, job: Claimed) -> None:
        """This delivery is not held any more. A later one of the same job may be."""
        if self._held.get((job.source.base, job.id)) == job.delivery:
            del self._held[job.source.base, job.id]

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def _round(self, budget: int, taken: set[Part], idle: bool) -> tuple[list[bytes], list[Claimed]]:
        """Ask the slots in order until one has jobs; those after it only if their token was taken, or to settle.

        One slot's jobs at a time: so a suspect runs alone.
        """
        answers: list[bytes] = []
        jobs: list[Claimed] = []
        for part in self._parts if self._weights is None else self._ordered(self._weights):
            wanted = budget if budget and not jobs else 0 if part in taken else None
            if (wanted is None and not part.unsettled) or part.again_at > time.monotonic():
                continue
            try:
                said, found = part.attempt(wanted, idle)
            except TROUBLE as error:
                self._on_trouble(error)
            else:
                answers += said
                jobs += found
        return answers, jobs

    def _ordered(self, weights: Weights) -> list[Part]:
        """The slot whose turn it is comes first."""
        order = [source.name for source in weights.order(self.sources)]
        return sorted(self._parts, key=lambda part: min(order.index(source.name) for source in part.claimer.sources))

    def _wait(self, seconds: float) -> set[Part]:
        """Wait for a token in any slot that can be reached. Answers the parts whose token may have been taken."""
        now = time.monotonic()
        ends = [part.again_at or part.claimer.busy_at for part in self._parts]
        seconds = min(seconds, LONGEST_BLOCK, min(ends) - now)
        parts: list[Part] = []
        if seconds <= 0.001:
            return set()
        try:
            for part in self._parts:
                if not part.again_at and part.begin_wait(seconds):
                    parts.append(part)
            if not parts:
                time.sleep(seconds)
            elif not any(part.link.readable() for part in parts):
                select.select([*(part.link for part in parts), *self.bells], [], [], seconds + PROBE_TIMEOUT)
            return {part for part in parts if part.end_wait()}
        except BaseException:
            for part in self._parts:
                part.link.close()
            raise

    def _rung(self) -> bool:
        return bool(self.bells) and bool(select.select(self.bells, [], [], 0)[0])

    def _owing(self) -> bool:
        return any(part.unsettled for part in self._parts)

    def _part_of(self, job: Claimed) -> Part:
        return next(part for part in self._parts if job.source in part.claimer.sources)


def make_claimer(
    settings: Settings,
    sources: Sequence[Source],
    worker: str,
    stopping: Callable[[], bool],
    on_trouble: Callable[[Exception], None],
    weights: Weights | None = None,
) -> Claimer | ShardedClaimer:
    """Who claims from these: one claimer if they are in one slot."""
    if len(settings.server.groups(sources)) == 1:
        return Claimer(settings, sources, worker, stopping, on_trouble, weights=weights)
    claimer = ShardedClaimer(settings, worker, stopping, on_trouble, weights=weights)
    claimer.add(sources)
    return claimer


def extend(claimer: Claimer | ShardedClaimer, sources: Sequence[Source]) -> Claimer | ShardedClaimer:
    """Who claims from these too, as the same worker."""
    if isinstance(claimer, Claimer):
        if len(claimer.settings.server.groups([*claimer.sources, *sources])) == 1:
            claimer.sources += sources
            return claimer
        claimer = ShardedClaimer(claimer.settings, claimer.worker, claimer.stopping, claimer.on_trouble, [claimer])
    claimer.add(sources)
    return claimer
