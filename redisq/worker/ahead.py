"""Claiming ahead: while a batch of short jobs runs, the server already settles the one before and finds the next."""

from __future__ import annotations

from collections.abc import Sequence

from ..claimed import Claimed, Settlement, Source, released
from ..claimer import Claimer
from ..sharded import ShardedClaimer


class Ahead:
    """Exchanges of a claimer. If a batch was full, more is likely to wait: the next one is posted before it runs,
    and from then on the next but one before the answer is read, so that the server never waits for the worker.

    A worker so holds two batches at most, a few milliseconds of work each; see pace.py. Of several queues, only the
    last one of a batch is claimed from ahead, and only while no job is in those before it: so jobs run in the order in
    which they were claimed, and a more important one waits for those two batches at most. Not of queues with weights,
    nor of several slots, where each claim may begin with another queue.
    """

    def __init__(self, claimer: Claimer | ShardedClaimer) -> None:
        self._claimer = claimer
        self._able = claimer if isinstance(claimer, Claimer) and claimer.weights is None else None
        self._full = False
        self._source: Source | None = None

    @property
    def pending(self) -> bool:
        """Whether something was posted that the server may not have answered."""
        return self._able is not None and len(self._able.posted) > 0

    def exchange(
        self, settlements: Sequence[Settlement], budget: int, block: float, shed: bool, further: bool = True
    ) -> tuple[list[bytes], list[Claimed]]:
        """See Claimer.exchange. `shed`: what was claimed ahead is not to be run here, but given back. `further`: False
        to claim nothing ahead from now on.
        """
        if self._able is None:
            return self._claimer.exchange(settlements, budget, block)
        answers: list[bytes] = []
        jobs: list[Claimed] = []
        left, asked = list(settlements), budget
        self._full = self._full and further
        if self._able.posted and not shed and (left or self._full):
            self._able.post(left, budget if self._full and budget > 1 else None, ahead=self._source)
            left = []
        while self._able.posted and (shed or not jobs):
            asked = self._able.posted[0].budget  # which may have grown since
            said, found, unsettled = self._able.collect()
            answers, jobs, left = answers + said, jobs + found, [*unsettled, *left]
        if shed:
            left, jobs = left + [released(job) for job in jobs], []
        if not jobs:
            asked = budget
            said, jobs = self._able.exchange(left, budget, block)
            kept = sum(settlement.way != "l" for settlement in left)  # the others may have been given back before
            answers += said[:kept]
        self._full = further and 1 < asked <= len(jobs)
        if self._full and not self._able.posted:
            self._source = jobs[-1].source
            self._able.post([], budget, ahead=self._source)
        return answers, jobs
