"""A job that runs beside others, from its start to its settlement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .. import claimed as verdict
from ..claimed import Claimed, Settlement
from ..options import RunOptions
from .board import Slot


class Stint:
    """One run of a job, announced in a lane of the board. `stop` may come from another thread, and at any time."""

    def __init__(self, job: Claimed, options: RunOptions, lane: Slot) -> None:
        self.job = job
        self.options = options
        self.lane = lane
        self.began = time.monotonic()
        self.asked = False
        self._limit: float | None = None
        self._interrupt: Callable[[], object] | None = None
        self._over = False
        self._lock = threading.Lock()

    def begin(self, interrupt: Callable[[], object]) -> bool:
        """From here on it can be interrupted so. Whether it was asked to stop before."""
        with self._lock:
            self._interrupt = interrupt
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

    def stopped(self) -> Settlement:
        """What becomes of it, since it was asked to stop and did."""
        return verdict.cancelled(self.job) if self._limit is None else verdict.late(self.job, self._limit, self.options)
