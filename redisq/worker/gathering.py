"""Which of the claimed jobs one call of a task with `batch` takes, and whether it waits for more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..claimed import Claimed, Source
from .runner import Runner

#: Takes up to so many of those that wait next and fit; answers them, and whether others wait behind.
TakeAlong = Callable[[Callable[[Claimed], bool], int], tuple[list[Claimed], bool]]


class Gathering:
    """Of one child. Jobs of one task and queue that were claimed one after the other are run by one call. If they are
    fewer than it may take, and nothing waits behind them, they are `carried` to the next claim, until their linger is
    over and a claim has brought nothing. `add` what that brings.

    A suspect has a call of its own; and so has the last attempt of several, so that a job whose batches fail for the
    sake of another one is not given up.
    """

    def __init__(self, runner: Runner, sources: Sequence[Source]) -> None:
        self.tasks = runner.batchings()
        self.carried: list[Claimed] = []
        self._runner = runner
        self._order = {source.name: n for n, source in enumerate(sources)}
        self._first: Claimed | None = None
        self._until = 0.0
        self._in_vain = False

    def gather(self, first: Claimed, take_along: TakeAlong) -> list[Claimed]:
        """The jobs of the next call, of which `first` is to be the first. None if they wait for more."""
        batching = self.tasks[first.task or b""]
        if self._runs_alone(first):
            return [first]
        more, behind = take_along(lambda job: self._fits(first, job), batching.size - 1)
        group = [first, *more]
        if len(group) == batching.size or behind or self.carried:
            return group
        if first is not self._first:
            self._first, self._until = first, time.monotonic() + batching.linger
        elif self._in_vain:
            return group
        self.carried = group
        return []

    @property
    def missing(self) -> int:
        """How many more the call could take whose jobs are carried."""
        return self.tasks[self.carried[0].task or b""].size - len(self.carried) if self.carried else 0

    @property
    def left(self) -> float:
        """Seconds of the linger that are left."""
        return max(0.0, self._until - time.monotonic())

    def add(self, jobs: Sequence[Claimed], hopeless: bool = False) -> list[Claimed]:
        """These were claimed behind what is carried: all of it in the order in which to run. `hopeless`: if there are
        none, none will come.
        """
        carried, self.carried = self.carried, []
        self._in_vain = not jobs and (hopeless or self.left == 0.0)
        return sorted([*carried, *jobs], key=lambda job: self._order[job.source.name])

    def _fits(self, first: Claimed, job: Claimed) -> bool:
        return job.task == first.task and job.source == first.source and not self._runs_alone(job)

    def _runs_alone(self, job: Claimed) -> bool:
        last = job.attempt > 1 and job.attempt >= (self._runner.options(job).max_attempts or 1)
        return job.alone or last
