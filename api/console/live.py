"""How often an open page asks whether it has changed.

Pages are kept up to date by asking again: the same address with the tag of what is shown, answered by 304 as long as
nothing changed. A connection that stays open would hold one of gunicorn's few threads for every open console; a
question holds one for some milliseconds. What all of them may cost is a share of the processor: when they use more of
it, they are told to ask less often.
"""

import threading
import time
from collections.abc import Callable

LEAST = 2.0  # seconds between two questions of a page
MOST = 60.0
_SHARE = 0.05  # of one core, for all pages that one process keeps up to date
_WINDOW = 20.0  # seconds over which it is measured


class Pace:
    """Measures what the questions cost, and tells when the next one may come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cost = 0.0
        self._at = clock()
        self._pause = LEAST

    def next(self, seconds: float) -> float:
        """After a question that took so many seconds of the processor: seconds until the next one of that page."""
        with self._lock:
            now = self._clock()
            passed = now - self._at
            self._at = now
            self._cost = self._cost * max(0.0, 1 - passed / _WINDOW) + seconds
            load = self._cost / _WINDOW / _SHARE
            # They cost what they do at the pause that holds by now: the new one follows from both, in small steps.
            wanted = min(MOST, max(LEAST, self._pause * load))
            self._pause += (wanted - self._pause) * min(1.0, max(passed, 0.01) / _WINDOW * 4)
            return self._pause
