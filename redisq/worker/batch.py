"""The jobs of one claim, and what became of them: the loop takes from one end, the guard may take all that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ..claimed import Claimed, Settlement, released


def take_along(waiting: deque[Claimed], fits: Callable[[Claimed], bool], most: int) -> tuple[list[Claimed], bool]:
    """Taken from the left: up to so many that fit; and whether others are behind them."""
    taken: list[Claimed] = []
    while waiting and len(taken) < most and fits(waiting[0]):
        taken.append(waiting.popleft())
    return taken, bool(waiting)


class Batch:
    """Jobs to run in order. Two threads use it: the one that runs them, and the guard.

    `shed`: the guard has given back what waits, here and in the claims that came after this one.
    """

    def __init__(self, jobs: Iterable[Claimed]) -> None:
        self.shed = False
        self._running: Claimed | None = None
        self._waiting = deque(jobs)
        self._settled: list[Settlement] = []
        self._lock = threading.Lock()

    def next(self) -> Claimed | None:
        """The next job to run; None when there is none (any more)."""
        with self._lock:
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def take_along(self, fits: Callable[[Claimed], bool], most: int) -> tuple[list[Claimed], bool]:
        """Up to so many of those that wait next and fit to the job that was taken last, to run with it as one; and
        whether others wait behind them.
        """
        with self._lock:
            taken, behind = take_along(self._waiting, fits, most)
            if taken:
                self._running = taken[-1]  # what was claimed behind the last has not begun
            return taken, behind

    def set_aside(self) -> None:
        """What was taken is not begun, and the business of whoever took it."""
        with self._lock:
            self._running = None

    def put_back(self, *jobs: Claimed) -> None:
        """These were taken, but not begun."""
        with self._lock:
            self._waiting.extendleft(reversed(jobs))
            self._running = None

    def add(self, settlement: Settlement) -> None:
        with self._lock:
            self._settled.append(settlement)
            self._running = None

    def add_all(self, settlements: Sequence[Settlement]) -> None:
        """As `add`, of those that ran as one."""
        with self._lock:
            self._settled += settlements
            self._running = None

    def take(self) -> list[Settlement]:
        """All that can be settled now: what is finished, and the release of what has not begun."""
        with self._lock:
            return self._take()

    def take_behind(self) -> tuple[list[Settlement], Claimed | None]:
        """The same while a job runs, and the job, unless this was done before: behind it, all is to be given back."""
        with self._lock:
            running = None if self.shed else self._running
            self.shed = self.shed or running is not None
            return self._take(), running

    def _take(self) -> list[Settlement]:
        settled = self._settled + [released(job) for job in self._waiting]
        self._settled = []
        self._waiting.clear()
        return settled
