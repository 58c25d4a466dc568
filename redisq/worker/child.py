"""The child's loop: claim, run, settle."""

from __future__ import annotations

import logging
import os
import signal
import time
from types import FrameType

from ..app import RedisQ
from ..claimed import Claimed, Settlement, Source
from ..claimer import Interrupted, forget_logs, releasing, settling
from ..connection import LONGEST_BLOCK
from ..sharded import make_claimer
from ..weights import Weights
from .ahead import Ahead
from .batch import Batch
from .board import Slot
from .errands import Errands
from .gathering import Gathering
from .guard import ORPHANED, Guard
from .outcomes import Outcomes
from .pace import Pace
from .runner import Runner
from .signals import ignore
from .together import Together

log = logging.getLogger(__name__)

DONE = 0
#: Exit code of a child that was given up by the server: its supervisor starts another, with another name.
LEASE_LOST = 4


class Child:
    """One process that runs jobs. Made after the fork, in its only thread; ends when `run` returns an exit code."""

    def __init__(
        self, app: RedisQ, sources: list[Source], worker: str, slot: Slot, burst: bool, weights: Weights | None = None
    ) -> None:
        self._settings = app.settings
        self._worker = worker
        self._slot = slot
        self._burst = burst
        self._parent = os.getppid()
        self._stopping = False
        self._interruptible = False
        self._errands = Errands(app.settings, sources, worker)
        self._claimer = make_claimer(
            app.settings, sources, worker, lambda: self._stopping, self._errands.on_trouble, weights
        )
        self._ahead = Ahead(self._claimer)
        self._batch = Batch([])
        self._revoked = False
        self._runner = Runner(app, worker)
        self._outcomes = Outcomes(app)
        self._run = self._outcomes.of_runs(self._runner.run)
        self._gathering = Gathering(self._runner, sources)
        self._guard = Guard(self._settle_apart, self._parent)
        self._pace = Pace(len(sources))
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_order)
        signal.signal(signal.SIGINT, ignore)  # from a terminal it comes to all; the supervisor says what is to be done

    def run(self) -> int:
        settled: list[Settlement] = []
        try:
            while not self._stopping and os.getppid() == self._parent:
                jobs = self._claim(settled)
                if self._claimer.forwarding or self._errands.has_forwarded:
                    self._errands.forward()
                if not jobs and self._claimer.unregistered:
                    return LEASE_LOST
                if not jobs and self._burst and not self._claimer.away and not self._errands.waits("pending"):
                    return DONE
                settled = self._work(jobs)
            self._exchange(settled, 0, 0.0)
            if self._errands.has_forwarded:
                self._errands.forward()
        except Interrupted:
            pass  # what was claimed meanwhile, the supervisor gives back
        finally:
            self._slot.idle()
            self._runner.close()
        return DONE if os.getppid() == self._parent else ORPHANED

    def stop(self) -> None:
        """Claim no more; finish the job that runs, settle, and end."""
        self._stopping = True

    def _claim(self, settled: list[Settlement]) -> list[Claimed]:
        """What is to run next."""
        gathering = self._gathering
        if not gathering.carried:
            return self._claim_or_wait(settled, self._pace.budget, LONGEST_BLOCK)
        jobs = self._claim_or_wait(settled, max(self._pace.budget, gathering.missing), gathering.left)
        return gathering.add(jobs, self._burst or bool(self._claimer.unregistered))

    def _claim_or_wait(self, settled: list[Settlement], budget: int, block: float) -> list[Claimed]:
        """Settle and claim in one write. Wait only if there was nothing to settle: then nothing was there to claim."""
        if settled or self._burst:
            return self._exchange(settled, budget, 0.0)
        self._guard.rest()
        unsent = self._guard.unsent()
        self._interruptible = not unsent and not self._ahead.pending
        try:
            if self._stopping:
                raise Interrupted
            return self._exchange(unsent, budget, block)
        finally:
            self._interruptible = False

    def _exchange(self, settled: list[Settlement], budget: int, block: float) -> list[Claimed]:
        settled = settled + self._guard.unsent()  # first: the guard may be about to give back what was claimed ahead
        shed = self._batch.shed or self._revoked or self._stopping
        further = budget <= self._pace.budget  # not if more was claimed than runs in a moment, for the sake of a batch
        budget = 0 if self._claimer.unregistered else budget
        answers, jobs = self._ahead.exchange(settled, budget, block, shed, further)
        self._errands.note(settled)
        self._slot.beat()
        self._errands.report(answers, self._claimer.away)
        return jobs

    def _work(self, jobs: list[Claimed]) -> list[Settlement]:
        if not jobs:
            return []
        count, began, verbose = 0, time.perf_counter(), log.isEnabledFor(logging.DEBUG)
        together = self._gathering.tasks
        batch = self._batch = Batch(jobs)
        self._guard.watch(batch, alone=len(jobs) == 1)
        while (job := batch.next()) is not None:
            if together and job.task in together:
                if not (ran := self._run_together(batch, job)):
                    break
                count += ran
                continue
            options = self._runner.options(job)
            self._slot.start(b"%b.%b" % (job.source.name.encode(), job.id), options.timeout or 0.0)
            if self._slot.revoked() or self._stopping:  # after it was announced: see Supervisor._release
                batch.put_back(job)
                break
            settlement = self._run(job, options)
            batch.add(settlement)
            count += 1
            if verbose:  # not at the default level: a line costs as much as a small job
                self._log(settlement)
        self._slot.idle()
        self._revoked = self._slot.revoked()  # after that: whoever revokes now sees that this batch has ended
        self._slot.clear()
        self._slot.ran(count)
        if count:
            self._pace.note(count, time.perf_counter() - began)
        return batch.take()

    def _run_together(self, batch: Batch, first: Claimed) -> int:
        """Of a task with `batch`: how many jobs were run. 0 if the loop is to end here."""
        jobs = self._gathering.gather(first, batch.take_along)
        if not jobs:
            batch.set_aside()
            return 0
        together = Together(self._runner, jobs)
        last = b"%b.%b" % (together.last.source.name.encode(), together.last.id)
        self._slot.start(last, together.limits.timeout or 0.0, len(jobs))
        if self._slot.revoked() or self._stopping:
            batch.put_back(*jobs)
            return 0
        settled = self._outcomes.of_call(together.run)
        batch.add_all(settled)
        if log.isEnabledFor(logging.DEBUG):
            for settlement in settled:
                self._log(settlement)
        return len(jobs)

    def _log(self, settlement: Settlement) -> None:
        job, running = settlement.job, self._slot.running()
        ms = 1000 * (time.monotonic() - running.started) if running else 0.0
        values = (settlement.outcome, job.full_id, job.task_name, job.attempt, ms)
        log.debug("job.%s id=%s task=%s attempt=%d ms=%.1f", *values)

    def _settle_apart(self, settled: list[Settlement], running: Claimed | None) -> None:
        """For the guard, by a connection of the pool: settle, and give back what was claimed behind the running job."""
        commands = settling(self._settings, self._worker, settled)
        if running is not None:  # first, so that what waits in the batch is not put behind what was claimed later
            commands = releasing(self._settings, self._claimer.sources, self._worker, running.full_id) + commands
        self._settings.server.ask(commands, self._settings.lease / 12)
        for settlement in settled:
            self._claimer.drop(settlement.job)
        forget_logs(self._settings, settled)
        self._errands.note(settled)

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop()
        if self._interruptible:
            raise Interrupted

    def _on_order(self, _signal: int, _frame: FrameType | None) -> None:
        if self._slot.to_stop():
            self._runner.stop()
        self._runner.look_at_clock()
