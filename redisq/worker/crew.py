"""The loop of a child that runs several jobs at once: settle, claim, and hand to threads or to an event loop.

The main thread only settles and claims, so that it is there for signals and for the server whatever jobs do.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import FrameType

from .. import claimed as verdict
from ..app import RedisQ
from ..claimed import Claimed, Settlement, Source
from ..claimer import Interrupted
from ..connection import LONGEST_BLOCK
from ..sharded import make_claimer
from ..weights import Weights
from .batch import take_along
from .bell import Bell
from .child import DONE, LEASE_LOST
from .errands import Errands
from .gathering import Gathering
from .guard import FIRST_LOOK, ORPHANED
from .hands import Hands, Loop, Threads
from .intake import Intake
from .lanes import Lanes
from .outcomes import Outcomes
from .reach import Reach
from .runner import Runner
from .signals import ignore
from .stint import Stint
from .together import Together
from .warden import Warden

log = logging.getLogger(__name__)

#: Seconds between two looks whether suspects wait, while jobs run; while nothing is claimed for their sake; and when a
#: claim found nothing.
LOOK_EVERY = 1.0
LOOK_AGAIN = 0.25
LOOK_SOON = 0.1


class Crew:
    """As a Child. Plain functions run in `threads` threads, async ones in an event loop, `concurrency` at a time; in
    all as many jobs as the larger of the two.

    A job that finds no free hand waits for a moment, and is then given back to the head of its queue. Meanwhile nothing
    is claimed: first in, first out. A suspect runs alone: while one waits in a queue, or runs, nothing else is claimed.
    """

    def __init__(
        self,
        app: RedisQ,
        sources: list[Source],
        worker: str,
        slot: Lanes,
        burst: bool,
        threads: int,
        concurrency: int,
        weights: Weights | None = None,
    ) -> None:
        self._worker = worker
        self._slot = slot
        self._burst = burst
        self._parent = os.getppid()
        self._stopping = False
        self._errands = Errands(app.settings, sources, worker)
        self._claimer = make_claimer(
            app.settings, sources, worker, lambda: self._stopping, self._errands.on_trouble, weights
        )
        self._bell = Bell()
        self._intake = Intake(self._claimer, self._bell)
        self._runner = Runner(app, worker)
        done = Outcomes(app).of_stints(self._done)
        self._threads = Threads(threads, self._runner, done)
        self._loop = Loop(concurrency, self._runner, done)
        self._lanes = list(slot.lanes)
        self._waiting: deque[Claimed] = deque()
        self._waiting_since = 0.0
        self._running: set[Stint] = set()
        self._finished: deque[tuple[Stint, list[Settlement]]] = deque()
        self._gathering = Gathering(self._runner, sources)
        self._reach = Reach()
        self._alone = False
        self._suspects = False
        self._looked = self._look_at = 0.0
        self._warden = Warden(self._running, self._parent)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_order)
        signal.signal(signal.SIGINT, ignore)

    def run(self) -> int:
        code = DONE
        try:
            with suppress(Interrupted):
                code = self._serve()
            with suppress(Interrupted):  # what was claimed meanwhile, the supervisor gives back
                self._finish()
        finally:
            self._threads.close()
            self._loop.close()
            self._runner.close()
            self._intake.close()
        return code if os.getppid() == self._parent else ORPHANED

    def stop(self) -> None:
        """Claim no more; finish the jobs that run, settle, and end."""
        self._stopping = True
        self._bell.ring()

    def _serve(self) -> int:
        while not self._stopping and os.getppid() == self._parent:
            settled = self._collect()
            self._start()
            settled += self._shed()
            budget = self._budget()
            jobs = self._exchange(settled, budget)
            if self._claimer.forwarding or self._errands.has_forwarded:
                self._errands.forward()
            self._take(jobs, self._burst or not budget)
            if not self._held:
                if self._claimer.unregistered:
                    return LEASE_LOST
                if self._burst and not self._claimer.away and not self._errands.waits("pending"):
                    return DONE
            elif time.monotonic() >= self._look_at:
                self._look()
        return DONE

    def _finish(self) -> None:
        """Let end what runs; settle it, and give back the rest."""
        self._waiting.extend(self._gathering.add(self._intake.withdraw()))
        settled = [verdict.released(job) for job in self._waiting]
        self._waiting.clear()
        while True:
            settled += self._collect()
            if settled:
                self._settle(settled)
                settled = []
            if not self._running:
                break
            self._bell.wait(LOOK_EVERY)
        self._intake.flush()
        if self._errands.has_forwarded:
            self._errands.forward()

    # Jobs that end

    def _done(self, stint: Stint, settled: list[Settlement]) -> None:
        """Called by other threads."""
        self._finished.append((stint, settled))
        self._bell.ring()

    def _collect(self) -> list[Settlement]:
        """What has ended since."""
        self._bell.clear()
        settled: list[Settlement] = []
        while self._finished:
            stint, ended = self._finished.popleft()
            self._running.remove(stint)
            self._lanes.append(stint.lane)
            self._hands(stint.job).release()
            settled += ended
            if log.isEnabledFor(logging.DEBUG):
                _log(stint, ended)
        self._alone = self._alone and self._held
        self._slot.ran(len(settled))
        return settled

    # Jobs that begin

    def _exchange(self, settled: list[Settlement], budget: int) -> list[Claimed]:
        """Settle and claim in one write, or wait until there is something to do."""
        if not settled and not budget and not self._intake.pending:
            if not self._gathering.carried:
                self._bell.wait(self._patience())
            return []
        block = 0.0 if self._burst and not self._held else LONGEST_BLOCK
        if self._gathering.carried:
            block = 0.0 if self._burst else self._gathering.left
        jobs = self._settle(settled, budget, block)
        if budget and not settled and not jobs and not self._intake.pending:
            self._look_at = min(self._look_at, self._looked + LOOK_SOON)  # perhaps suspects alone are there
        return jobs

    def _settle(self, settled: list[Settlement], budget: int = 0, block: float = 0.0) -> list[Claimed]:
        answers, jobs = self._intake.exchange(settled, budget, block)
        self._errands.note(settled)
        self._slot.beat()
        self._errands.report(answers, self._claimer.away)
        return jobs

    def _budget(self) -> int:
        if self._waiting or self._alone or self._claimer.unregistered or (self._suspects and self._held):
            return 0
        return max(self._reach.budget(len(self._slot.lanes) - len(self._running)), self._gathering.missing)

    def _patience(self) -> float:
        """Seconds until something is to be done though no job ends."""
        end = self._waiting_since + FIRST_LOOK if self._waiting else self._look_at
        return min(LOOK_EVERY, max(0.001, end - time.monotonic()))

    def _take(self, jobs: list[Claimed], hopeless: bool) -> None:
        """`hopeless`: see Gathering.add."""
        if jobs:
            self._alone = any(job.alone for job in jobs)
            self._reach.note(map(self._hands, jobs))
        if self._gathering.carried:
            jobs = self._gathering.add(jobs, hopeless)
        if not jobs:
            return
        self._waiting.extend(jobs)
        self._waiting_since = time.monotonic()
        self._start()

    def _start(self) -> None:
        """Start what waits and finds a free hand, in order."""
        waiting, self._waiting = self._waiting, deque()
        while waiting:
            job = waiting.popleft()
            hands = self._hands(job)
            if not hands.free or not self._lanes:
                self._waiting.append(job)
            elif job.task not in self._gathering.tasks:
                self._begin(hands, Stint(job, self._runner.options(job), self._lanes.pop()))
            elif jobs := self._gathering.gather(job, partial(take_along, waiting)):
                together = Together(self._runner, jobs)
                self._begin(hands, Stint(together.last, together.limits, self._lanes.pop(), together))

    def _begin(self, hands: Hands, stint: Stint) -> None:
        self._running.add(stint)
        stint.announce()
        hands.start(stint)
        if stint.options.soft_timeout is not None:
            self._warden.ring()

    def _shed(self) -> list[Settlement]:
        """Give back what has waited too long."""
        if not self._waiting or time.monotonic() < self._waiting_since + FIRST_LOOK:
            return []
        self._reach.stranded(self._hands(self._waiting[0]))
        shed = [verdict.released(job) for job in self._waiting]
        self._waiting.clear()
        return shed

    def _look(self) -> None:
        self._suspects = self._errands.waits("suspects")
        self._looked = time.monotonic()
        self._look_at = self._looked + (LOOK_AGAIN if self._suspects else LOOK_EVERY)

    @property
    def _held(self) -> bool:
        return bool(self._running or self._waiting or self._gathering.carried)

    def _hands(self, job: Claimed) -> Hands:
        return self._loop if self._runner.is_async(job) else self._threads

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop()

    def _on_order(self, _signal: int, _frame: FrameType | None) -> None:
        self._warden.ring()


def _log(stint: Stint, settled: Sequence[Settlement]) -> None:
    ms = 1000 * (time.monotonic() - stint.began)
    for settlement in settled:
        job = settlement.job
        values = (settlement.outcome, job.full_id, job.task_name, job.attempt, ms)
        log.debug("job.%s id=%s task=%s attempt=%d ms=%.1f", *values)
