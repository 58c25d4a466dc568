"""Middlewares hear what became of the jobs that a worker has run."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..app import RedisQ
from ..claimed import Claimed, Settlement
from ..options import RunOptions
from .stint import Stint

Run = Callable[[Claimed, RunOptions], Settlement]
Done = Callable[[Stint, list[Settlement]], None]

#: What a job's record says after each way, see job.STATUSES.
_STATUSES = {"s": b"s", "f": b"f", "c": b"c", "r": b"d", "p": b"d"}


class Outcomes:
    """Tells an app's middlewares, if any of them wants to know."""

    def __init__(self, app: RedisQ) -> None:
        self._app = app

    def of_runs(self, run: Run) -> Run:
        """The same, telling what each run answers."""
        if not self._app.middlewares.tells:
            return run

        def told(job: Claimed, options: RunOptions) -> Settlement:
            began = time.monotonic()
            settlement = run(job, options)
            self._tell(settlement, time.monotonic() - began)
            return settlement

        return told

    def of_call(self, run: Callable[[], list[Settlement]]) -> list[Settlement]:
        """What it answers, told: one call that runs several jobs."""
        if not self._app.middlewares.tells:
            return run()
        began = time.monotonic()
        settled = run()
        for settlement in settled:
            self._tell(settlement, time.monotonic() - began)
        return settled

    def of_stints(self, done: Done) -> Done:
        """The same, telling before it is called."""
        if not self._app.middlewares.tells:
            return done

        def told(stint: Stint, settled: list[Settlement]) -> None:
            for settlement in settled:
                self._tell(settlement, time.monotonic() - stint.began)
            done(stint, settled)

        return told

    def _tell(self, settlement: Settlement, seconds: float) -> None:
        claimed, text = settlement.job, settlement.text
        changes = {
            b"s": _STATUSES[settlement.way],
            b"r" if settlement.way == "s" else b"x": text.encode() if isinstance(text, str) else text,
            b"tb": settlement.trace,
        }
        job = self._app.queue(claimed.source.name).read(claimed, changes)
        self._app.middlewares.after(job, settlement.outcome, seconds)
