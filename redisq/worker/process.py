"""A child as its supervisor sees it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from .board import Running, Slot

log = logging.getLogger(__name__)


class Process:
    """A forked child. `doomed` is the job for whose sake it was killed."""

    def __init__(self, worker: str, slot: Slot, pid: int) -> None:
        self.worker = worker
        self.slot = slot
        self.pid = pid
        self.started = time.monotonic()
        self.doomed: Running | None = None
        self.released = 0

    @classmethod
    def fork(cls, worker: str, main: Callable[[Slot], int]) -> Process:
        """Run `main` in a new process, which ends with the exit code that it returns."""
        slot = Slot()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return cls(worker, slot, pid)
        code = 1
        try:
            code = main(slot)
        except BaseException:
            log.exception("worker.broken worker=%s", worker)
        finally:
            logging.shutdown()
            os._exit(code)  # not sys.exit: what the supervisor was doing must not be unwound here

    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def over_limit(self) -> Running | None:
        """The job that has run longer than it may, or None."""
        running = self.slot.running()
        late = running is not None and running.limit > 0 and time.monotonic() > running.started + running.limit
        return running if late else None

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self, doomed: Running | None = None) -> None:
        self.doomed = doomed
        os.kill(self.pid, signal.SIGKILL)
