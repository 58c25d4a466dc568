"""A job that runs beside others, or several in one call, from its start to its settlement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .. import claimed as verdict
from ..claimed import Claimed, Settlement
from ..options import RunOptions
from .board import Slot
from .together import Together


class Stint:
    """One run of a job, announced in a lane of the board. `stop` may come from another thread, and at any time.

    `together`: the jobs, if one call runs several; `job` is then their last, and `options` those of the call.
    """

    def __init__(self, job: Claimed, options: RunOptions, lane: Slot, together: Together | None = None) -> None:
        self.job = job
        self.options = options
        self.lane = lane
        self.together = together
        self.began = time.monotonic()
        self.asked = False
        soft = options.soft_timeout
        self._soft_at = float("inf") if soft is None else self.began + soft
        self._limit: float | None = None
        self._interrupt: Callable[[], object] | None = None
        self._soften: Callable[[], object] | None = None
        self._over = False
        self._lock = threading.Lock()

    def begin(self, interrupt: Callable[[], object], soften: Callable[[], object] | None) -> bool:
        """From here on it can be interrupted so, and told so of its soft limit. Whether it was asked to stop before."""
        with self._lock:
            self._interrupt, self._soften = interrupt, soften
            return self.asked

    def end(self, calm: Callable[[], object] = lambda: None) -> None:
        """From here on it is not interrupted any more; `calm` takes back an interruption that has not arrived yet."""
        with self._lock:
            if not self._over:
                calm()
                self.lane.idle()
                self._over = True

    def stop(self, limit: float | None) -> None:
        """Ask it to stop, once. `limit`: the seconds that it has exceeded; None if it was cancelled."""
        with self._lock:
            if self._over or self.asked:
                return
            self.asked, self._limit = True, limit
            if self._interrupt is not None:
                self._interrupt()

    def look_at_clock(self) -> float:
        """Tell it, once, that its soft limit is over. Answers in how many seconds that will be."""
        with self._lock:
            left = self._soft_at - time.monotonic()
            if left > 0 or self._soften is None:
                return max(left, 0.0)
            self._soft_at = float("inf")
            if not (self._over or self.asked):
                self._soften()
            return self._soft_at

    @property
    def lateness(self) -> str:
        """What a SoftTimeout says."""
        return f"it ran longer than {self.options.soft_timeout:g} s"

    def announce(self) -> None:
        """Write into the lane that it is about to run."""
        jobs = 1 if self.together is None else len(self.together.jobs)
        self.lane.start(b"%b.%b" % (self.job.source.name.encode(), self.job.id), self.options.timeout or 0.0, jobs)

    def stopped(self) -> list[Settlement]:
        """What becomes of it, since it was asked to stop and did."""
        if self.together is not None:
            return self.together.stopped(self._limit)
        limit = self._limit
        return [verdict.cancelled(self.job) if limit is None else verdict.late(self.job, limit, self.options)]
