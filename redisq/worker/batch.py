"""The jobs of one claim, and what became of them: the loop takes from one end, the guard may take all that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from ..claimed import Claimed, Settlement, released


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

    def put_back(self, job: Claimed) -> None:
        """This job was taken, but not begun."""
        with self._lock:
            self._waiting.appendleft(job)
            self._running = None

    def add(self, settlement: Settlement) -> None:
        with self._lock:
            self._settled.append(settlement)
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
