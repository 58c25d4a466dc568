"""A thread in a child that runs several jobs: asks those to stop that are to, tells those whose soft limit is over, and
ends the process if its supervisor is gone.

No lock is shared with the loop, which may wait for a server, nor with a signal's handler, which only rings.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection

from .bell import Bell
from .guard import ORPHANED
from .stint import Stint

#: Seconds between two looks, if nobody rings.
LOOK_EVERY = 0.2


class Warden:
    """`stints`: those that run, which the loop adds to before it announces one, and removes from when it has ended."""

    def __init__(self, stints: Collection[Stint], parent: int) -> None:
        self._stints = stints
        self._parent = parent
        self._bell = Bell()
        threading.Thread(target=self._run, name="redisq-warden", daemon=True).start()

    def ring(self) -> None:
        """The board says that a job is to stop; or one has begun that has a soft limit."""
        self._bell.ring()

    def _run(self) -> None:
        left = LOOK_EVERY
        while True:
            self._bell.wait(max(0.001, min(left, LOOK_EVERY)))
            self._bell.clear()
            if os.getppid() != self._parent:
                os._exit(ORPHANED)
            for stint in tuple(self._stints):
                running = stint.lane.running() if stint.lane.to_stop() else None
                if running is not None:
                    stint.stop(running.limit if running.over_limit else None)
            left = min((stint.look_at_clock() for stint in tuple(self._stints)), default=LOOK_EVERY)
