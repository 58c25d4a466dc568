"""A thread in the child that looks after its batch while a job runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from ..claimed import Claimed, Settlement
from ..errors import RedisQError
from .batch import Batch

log = logging.getLogger(__name__)

#: Seconds until a batch has taken too long: what waits in it is given back.
FIRST_LOOK = 0.025
NEXT_LOOKS = 0.2
ORPHANED = 3


class Guard:
    """When one job of a batch turns out long, settles what is finished and releases what has not begun. Ends the
    process if its supervisor is gone.

    `settle` sends settlements by another connection than the loop's, and gives back what waits behind the running job.
    What it could not send, the loop takes over by `unsent`.
    """

    def __init__(self, settle: Callable[[list[Settlement], Claimed | None], None], parent: int) -> None:
        self._settle = settle
        self._parent = parent
        self._batch: Batch | None = None
        self._watching = threading.Event()
        self._sending = threading.Lock()
        self._unsent: list[Settlement] = []
        threading.Thread(target=self._run, name="redisq-guard", daemon=True).start()

    def watch(self, batch: Batch, alone: bool) -> None:
        """The loop begins with this batch. `alone`: nothing waits behind its one job, and to wake a thread for it would
        cost more than many a job.
        """
        self._batch = batch
        if not alone and not self._watching.is_set():
            self._watching.set()

    def rest(self) -> None:
        """The loop has no batch and waits."""
        self._batch = None
        self._watching.clear()

    def unsent(self) -> list[Settlement]:
        """What is left to be sent by the loop; waits while something is under way."""
        with self._sending:
            unsent, self._unsent = self._unsent, []
            return unsent

    def _run(self) -> None:
        while True:
            first = FIRST_LOOK if self._watching.wait(NEXT_LOOKS) else 0.0
            batch = self._batch
            time.sleep(first)
            while batch is not None and batch is self._batch:
                self._shed(batch)
                if os.getppid() != self._parent:
                    os._exit(ORPHANED)
                time.sleep(NEXT_LOOKS)

    def _shed(self, batch: Batch) -> None:
        with self._sending:
            settled, running = batch.take_behind()
            if not settled and not running:
                return
            try:
                self._settle(settled, running)
            except RedisQError as error:
                log.debug("guard.unsent count=%d error=%s", len(settled), error)
                self._unsent += settled
