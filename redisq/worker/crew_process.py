"""A child that runs several jobs, as its supervisor sees it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable

from .board import Running, Slot
from .lanes import Lanes
from .process import STOP_GRACE, Process

log = logging.getLogger(__name__)


class CrewProcess(Process):
    """A job that has run too long is asked to stop, as one that is cancelled. Only if it does not within STOP_GRACE is
    the child to be killed, with all that runs beside it.
    """

    slot: Lanes

    def __init__(self, worker: str, slot: Lanes, pid: int) -> None:
        super().__init__(worker, slot, pid)
        self._asked: dict[Slot, tuple[Running, float]] = {}

    def running(self) -> list[Running]:
        return self.slot.all_running()

    def over_limit(self) -> Running | None:
        """The first that has run longer than it may, and did not stop when it was asked to. Asks those that are new."""
        stuck = None
        for lane in self.slot.lanes:
            running = lane.running()
            if running is None or not running.over_limit:
                continue
            if self._has_asked(lane, running):
                stuck = stuck or self._stuck(lane)
            else:
                log.warning("job.timeout id=%s limit=%gs: asking it to stop", running.job_id, running.limit)
                self._ask(lane, running)
        return stuck

    def stop(self, job_id: str) -> None:
        for lane in self.slot.lanes:
            running = lane.running()
            if running is None or running.job_id != job_id or running.jobs > 1:  # in a batch, the others go on
                continue
            if not self._has_asked(lane, running):
                self._ask(lane, running)

    def unstoppable(self) -> Running | None:
        return next((stuck for lane in tuple(self._asked) if (stuck := self._stuck(lane)) is not None), None)

    def _ask(self, lane: Slot, running: Running) -> None:
        self._asked[lane] = running, time.monotonic() + STOP_GRACE
        lane.stop(running.number)
        os.kill(self.pid, signal.SIGUSR1)

    def _has_asked(self, lane: Slot, running: Running) -> bool:
        return lane in self._asked and self._asked[lane][0] == running

    def _stuck(self, lane: Slot) -> Running | None:
        """The job in this lane, if it was asked to stop and its time is up."""
        asked, until = self._asked[lane]
        if lane.running() != asked:
            del self._asked[lane]
        elif time.monotonic() >= until:
            return asked
        return None


def fork(worker: str, main: Callable[[Slot], int], lanes: int) -> Process:
    """A child that runs up to so many jobs at once."""
    return Process.fork(worker, main) if lanes == 1 else CrewProcess.fork(worker, main, Lanes(lanes))
