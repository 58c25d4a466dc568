"""How much of a queue's work Redis is given at a time; what is more waits in the database.

The set bounds (`outbox.Bound`) are for the memory. Below them, the relay keeps no more waiting than the workers have
done in the last seconds: a queue is first in, first out, and whoever posts next would wait behind all of it.
"""

import time
from collections.abc import Callable

#: Seconds of work that wait in Redis.
AHEAD = 2.0
_FIRST = 200
_LEAST = 16
# Of a rate that is measured: seconds for which it is measured at least, and how much a new one counts.
_SPAN = 0.25
_WEIGHT = 0.5


class Window:
    """Says how many jobs of one queue are to wait in Redis at a time, by how fast they go."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate: float | None = None
        self._began = clock()
        self._waiting = 0  # when the measurement began, and what has come since

    def room(self, queued: int, running: int) -> int:
        """How many more may come, while so many wait and run in Redis."""
        now = self._clock()
        if now - self._began >= _SPAN:
            rate = max(0, self._waiting - queued) / (now - self._began)
            self._rate = rate if self._rate is None else self._rate + _WEIGHT * (rate - self._rate)
            self._began, self._waiting = now, queued
        size = _FIRST if self._rate is None else self._rate * AHEAD
        return max(0, round(max(size, 2 * running, _LEAST)) - queued)

    def came(self, count: int) -> None:
        """So many were handed over."""
        self._waiting += count
