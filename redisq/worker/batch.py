"""The jobs of one claim, and what became of them: the loop takes from one end, the guard may take all that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from ..claimed import Claimed, Settlement, released


class Batch:
    """Jobs to run in order. Two threads use it: the one that runs them, and the guard."""

    def __init__(self, jobs: Iterable[Claimed]) -> None:
        self._waiting = deque(jobs)
        self._settled: list[Settlement] = []
        self._lock = threading.Lock()

    def next(self) -> Claimed | None:
        """The next job to run; None when there is none (any more)."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def put_back(self, job: Claimed) -> None:
        """This job was taken, but not begun."""
        with self._lock:
            self._waiting.appendleft(job)

    def add(self, settlement: Settlement) -> None:
        with self._lock:
            self._settled.append(settlement)

    def take(self) -> list[Settlement]:
        """All that can be settled now: what is finished, and the release of what has not begun."""
        with self._lock:
            settled = self._settled + [released(job) for job in self._waiting]
            self._settled = []
            self._waiting.clear()
            return settled
