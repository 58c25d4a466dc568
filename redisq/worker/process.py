"""A child as its supervisor sees it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from .board import Running, Slot

log = logging.getLogger(__name__)

#: Seconds that a job has to stop when it is asked to.
STOP_GRACE = 5.0


class Process:
    """A forked child.

    `doomed`: the job for whose sake it was killed. `stopping`: the job that was asked to stop, and until when. `worn`:
    another is to take its place; `leaving`: and it was told to end.
    """

    def __init__(self, worker: str, slot: Slot, pid: int) -> None:
        self.worker = worker
        self.slot = slot
        self.pid = pid
        self.started = time.monotonic()
        self.doomed: Running | None = None
        self.stopping: tuple[Running, float] | None = None
        self.released = 0
        self.worn = False
        self.leaving = False

    @classmethod
    def fork(cls, worker: str, main: Callable[[Slot], int], slot: Slot | None = None) -> Process:
        """Run `main` in a new process, which ends with the exit code that it returns."""
        slot = slot or Slot()
        sys.stdout.flush()
        sys.stderr.flush()
        # Python forgets in a new child what came before it was ready for it: so the kernel keeps it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
        gc.freeze()  # the child's collector does not write to what it shares with its supervisor, which would copy it
        try:
            pid = os.fork()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if pid:
            gc.unfreeze()
            return cls(worker, slot, pid)
        code = 1
        try:
            code = main(slot)
        except BaseException:
            log.exception("worker.broken worker=%s", worker)
        finally:
            logging.shutdown()
            os._exit(code)  # not sys.exit: what the supervisor was doing must not be unwound here

    @property
    def serves(self) -> bool:
        """Whether it has claimed, or waited to, at least once."""
        return self.slot.last_beat() > 0

    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def running(self) -> list[Running]:
        """The jobs that run."""
        running = self.slot.running()
        return [] if running is None else [running]

    def over_limit(self) -> Running | None:
        """The job that has run longer than it may, or None."""
        running = self.slot.running()
        return running if running is not None and running.over_limit else None

    def stop(self, job_id: str) -> None:
        """Ask the job to stop, if it is the one that runs. `unstoppable` tells when it does not."""
        running = self.slot.running()
        if running is not None and running.job_id == job_id and running.jobs == 1:  # in a batch, the others go on
            self.stopping = running, time.monotonic() + STOP_GRACE
            self.slot.stop(running.number)
            os.kill(self.pid, signal.SIGUSR1)

    def unstoppable(self) -> Running | None:
        """The job that was asked to stop and still runs, or None."""
        if self.stopping is None or time.monotonic() < self.stopping[1]:
            return None
        asked, self.stopping = self.stopping[0], None
        return asked if self.slot.running() == asked else None

    def silent_for(self) -> float:
        """Seconds since it was last heard of; 0.0 while it runs a job, which has a limit of its own."""
        return 0.0 if self.running() else time.monotonic() - max(self.started, self.slot.last_sign())

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self, doomed: Running | None = None) -> None:
        self.doomed = doomed
        os.kill(self.pid, signal.SIGKILL)
