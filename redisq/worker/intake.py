"""Settling and claiming for a child that runs several jobs: a claim that waits does not keep it from settling."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

from ..claimed import Claimed, Settlement
from ..claimer import TROUBLE, Claimer
from ..endpoint import LOST, SOCKET_TIMEOUT
from ..sharded import ShardedClaimer
from .bell import Bell


class Intake:
    """Exchanges of a claimer, in which a wait ends when the bell rings.

    With one slot, the claim stays with the server meanwhile, which answers it the moment that there is something; what
    is to be settled goes over a second connection. With several, ShardedClaimer ends the waits.
    """

    def __init__(self, claimer: Claimer | ShardedClaimer, bell: Bell) -> None:
        self._claimer = claimer
        self._bell = bell
        self._single = claimer if isinstance(claimer, Claimer) else None
        self._waits_until = 0.0
        self._lost = False
        if isinstance(claimer, ShardedClaimer):
            claimer.bells.append(bell)
        else:
            self._beside = Claimer(
                claimer.settings, claimer.sources, claimer.worker, claimer.stopping, claimer.on_trouble, claimer.held
            )

    @property
    def pending(self) -> bool:
        """Whether a claim is with the server."""
        return self._single is not None and len(self._single.posted) > 0

    def exchange(
        self, settlements: Sequence[Settlement], budget: int, block: float
    ) -> tuple[list[bytes], list[Claimed]]:
        """See Claimer.exchange. There may be no jobs, since the bell has rung. A claim that is with the server already
        has the budget that it was sent with.
        """
        if self._single is None:
            return self._claimer.exchange(settlements, budget, block)
        answers: list[bytes] = []
        if not self.pending:
            if settlements or not block or self._lost:  # after a loss: this one is sent again until it is answered
                self._lost = False
                return self._single.exchange(settlements, budget)
            self._single.post([], budget, block)
            self._waits_until = time.monotonic() + SOCKET_TIMEOUT
        elif settlements:
            answers, _ = self._beside.exchange(settlements)
        if not self._answered(self._single, block):
            return answers, []
        _, jobs, _ = self._single.collect()
        self._lost = not self._single.link.connected
        return answers, jobs

    def withdraw(self) -> list[Claimed]:
        """Have no claim with the server any more. What it has given out meanwhile."""
        if self._single is None or not self.pending:
            return []
        self._single.link.close()
        self._single.collect()
        try:
            return self._single.attempt([], 0)[1]  # of the same number: the one before can claim nothing from now on
        except TROUBLE as error:
            self._single.on_trouble(error)
            return []  # the supervisor gives it back

    def flush(self) -> None:
        """Have all settled that could not be until now."""
        if self._single is None:
            self._claimer.exchange([])

    def close(self) -> None:
        self._claimer.close()
        if self._single is not None:
            self._beside.close()

    def _answered(self, claimer: Claimer, block: float) -> bool:
        """Wait for the answer, or the bell. Whether there is something to collect, if only the loss of it."""
        try:
            if not claimer.link.connected or claimer.link.readable():
                return True
        except LOST:
            return True
        left = self._waits_until - time.monotonic()
        if left <= 0:
            claimer.link.close()
            return True
        link = claimer.link.fileno()
        ready, _, _ = select.select([link, self._bell.fileno()], [], [], min(block, left))
        return link in ready
