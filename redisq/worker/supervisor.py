"""The supervisor: starts children, renews their leases, ends those that are stuck, and gives back what the dead ones
held.

It runs no job itself, so nothing that a job does can keep it from renewing.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from ..app import RedisQ
from ..claimed import Source
from ..claimer import registration, renewal, worker_name
from ..endpoint import Command
from ..errors import RedisQError
from ..orders import RECYCLE, STOP
from ..retry import reconnect_delays
from ..urls import redact
from ..weights import Weights
from .aftermath import Aftermath
from .board import Running, Slot
from .child import DONE, LEASE_LOST, Child
from .crew import Crew
from .crew_process import fork
from .eviction import warn_of_eviction
from .facts import Telling
from .health import Health
from .lanes import Lanes
from .notify import Notifier
from .orders import Orders
from .pauses import Pauses
from .process import Process
from .recycling import Recycling
from .rolling import NOTHING, Handover, Rolling
from .signals import Signals
from .ticker import Ticker
from .titles import entitle

log = logging.getLogger(__name__)

#: Seconds between two looks at the children. A child's death is seen at once.
TICK = 0.1
#: Seconds after which the supervisor gives back what waits behind a job, if the child's guard could not.
GUARD_TIME = 1.0
#: Seconds without a sign of life after which a child that runs no job is stuck: far more than a block and a time-out.
DEAF_TIME = 15.0
#: The exit code of a worker that could not go on.
FAILED = 1


class Options(msgspec.Struct, frozen=True):
    """What a worker is asked to do. `queues` in the order of their priority; `grace` in seconds.

    `health_file`: see health.py. `max_jobs`, and `max_memory` in MiB: of one child, see recycling.py. `threads` and
    `concurrency`: of one child, see crew.py. `weights`: see weights.py.
    """

    queues: Sequence[str]
    processes: int = 1
    burst: bool = False
    grace: float = 30.0
    health_file: str | None = None
    max_jobs: int | None = None
    max_memory: int | None = None
    threads: int = 1
    concurrency: int = 1
    weights: dict[str, int] | None = None

    @property
    def lanes(self) -> int:
        """How many jobs a child runs at once."""
        return max(self.threads, self.concurrency)


class Supervisor:
    """Runs a worker until it is told to stop, or, in a burst, until nothing is queued."""

    def __init__(self, app: RedisQ, options: Options, handover: Handover = NOTHING) -> None:
        self._app = app
        self._settings = app.settings
        self._options = options
        self._sources = [Source(name, app.queue(name).base) for name in options.queues]
        self._children: list[Process] = []
        self._aftermath = Aftermath(app, self._sources, self._call, self._report_away)
        self._processes = self._wanted = options.processes
        self._delays = reconnect_delays(longest=2.0)
        self._start_at = 0.0
        self._renew_at = 0.0
        self._away_at = 0.0
        self._health = Health(options.health_file) if options.health_file else None
        self._pauses = Pauses()
        self._warned = False
        self._signals = Signals()
        self._orders = Orders(app.settings, self._sources)
        served = [] if options.burst else [entry for entry in app.crons.values() if entry.queue in options.queues]
        self._ticker = Ticker(app.settings, served)
        self._recycling = Recycling(options.max_jobs, options.max_memory)
        self._facts = Telling(self._sources, app.settings.lease, self._call)
        self._notifier = Notifier(os.environ)
        self._rolling = Rolling(handover, self._signals, self._notifier)
        self._told_ready = False

    def run(self) -> int:
        """The exit code."""
        entitle("supervisor", self._options.queues)
        self._signals.listen()
        relieved = False
        try:
            while not self._signals.stops and not relieved and (self._children or self._wanted):
                self._start()
                self._tick()
                self._wanted += self._recycling.look(self._children, self._processes)
                relieved = self._rolling.step(not self._wanted and all(child.serves for child in self._children))
            self._stop()
            if relieved:
                self._rolling.execute()
            while not self._rolling.over():
                self._tick()
        finally:
            for child in self._children:  # only if something unforeseen was raised
                child.kill()
        log.info("worker.stopped")
        return 0 if self._signals.stops or not relieved else FAILED

    # Starting

    def _start(self) -> None:
        while self._wanted and time.monotonic() >= self._start_at and not self._signals.stops:
            worker = worker_name()
            try:
                self._call(registration(self._settings, self._sources, worker))
            except RedisQError as error:
                self._start_at = time.monotonic() + next(self._delays)
                self._report_away(error)
                return
            self._delays = reconnect_delays(longest=2.0)
            if not self._warned:
                self._warned = True
                warn_of_eviction(self._call)
            self._children.append(fork(worker, partial(self._main, worker), self._options.lanes))
            self._wanted -= 1
            log.info("worker.started worker=%s queues=%s", worker, ",".join(self._options.queues))

    def _main(self, worker: str, slot: Slot) -> int:
        """In the child."""
        self._signals.leave()
        self._orders.close()
        entitle("child", self._options.queues)
        child = self._make_child(worker, slot)
        if self._signals.stops:  # the signal came before the child's own handler was in place
            child.stop()
        try:
            return child.run()
        finally:
            self._app.middlewares.close()

    def _make_child(self, worker: str, slot: Slot) -> Child | Crew:
        options = self._options
        weights = Weights(options.weights) if options.weights else None
        if isinstance(slot, Lanes):
            hands = options.threads, options.concurrency
            return Crew(self._app, self._sources, worker, slot, options.burst, *hands, weights)
        return Child(self._app, self._sources, worker, slot, options.burst, weights)

    # Watching

    def _tick(self) -> None:
        self._signals.wait(TICK)
        for child in list(self._children):
            code = child.exit_code()
            if code is not None:
                self._children.remove(child)
                self._bury(child, code)
            else:
                self._watch(child)
        self._aftermath.send()
        self._renew()
        self._facts.look(self._children)
        self._obey()
        if not self._signals.stops:
            self._ticker.look()
        self._rolling.pass_on()
        self._tell()

    def _tell(self) -> None:
        """Those who watch over this worker hear how it is."""
        if not self._told_ready and any(child.serves for child in self._children):
            self._told_ready = True
            self._notifier.send("READY=1")
        self._notifier.beat()
        if self._health and all(child.silent_for() < DEAF_TIME for child in self._children) and not self._wanted:
            self._health.note()

    def _obey(self) -> None:
        order = self._orders.next([child.worker for child in self._children])
        for child in self._children:
            if order is not None and order[0] == child.worker:
                if order[1] == STOP:
                    self._let_go(child)
                elif order[1] == RECYCLE:
                    self._recycling.order(child)
                else:
                    child.stop(order[1])

    def _let_go(self, child: Process) -> None:
        """It ends when its jobs have, and nobody takes its place: from now on there is one child less."""
        if child.leaving:
            return
        log.info("worker.stopping worker=%s", child.worker)
        if not child.worn:
            self._processes -= 1
        child.worn = child.leaving = True
        child.terminate()

    def _watch(self, child: Process) -> None:
        late = child.over_limit()
        if late and child.doomed is None:
            log.warning("job.timeout id=%s limit=%gs: killing worker=%s", late.job_id, late.limit, child.worker)
            child.kill(doomed=late)
            return
        if stuck := child.unstoppable():
            log.warning("job.unstoppable id=%s: killing worker=%s", stuck.job_id, child.worker)
            child.kill(doomed=stuck)
            return
        # A child that cannot reach the server goes on trying, as its supervisor does; one that alone is deaf is stuck.
        if min(child.silent_for(), time.monotonic() - self._away_at) > DEAF_TIME:
            log.error("worker.deaf worker=%s seconds=%.0f: killing it", child.worker, child.silent_for())
            child.kill()
            return
        running = child.slot.running()
        if running and running.number != child.released and time.monotonic() - running.started > GUARD_TIME:
            child.released = running.number
            self._release(child, running)

    def _release(self, child: Process, running: Running) -> None:
        """Give back what waits behind a long job, in case it holds the GIL, so that the child's guard cannot.

        The child announces a job, then looks at the flag, then starts; here the flag is raised first, then the slot
        read again. So what is given back is never started.
        """
        child.slot.revoke()
        if child.slot.running() != running:
            return
        self._aftermath.release(child.worker, running)

    def _renew(self) -> None:
        now = time.monotonic()
        if now < self._renew_at or not self._children:
            return
        workers = [child.worker for child in self._children]
        try:
            self._call(renewal(self._sources, workers))
            self._renew_at = now + self._settings.lease / 4
        except RedisQError as error:
            self._renew_at = now + self._settings.lease / 12
            self._report_away(error)

    # Ending

    def _bury(self, child: Process, code: int) -> None:
        """A child has ended: give back what it held, and start another if one is needed."""
        running = child.running()
        late = next((one for one in running if one == child.doomed and one.over_limit), None)
        crashed: list[Running] = []
        if child.doomed is None and running and not self._signals.stops:
            crashed = running
            ids = ",".join(one.job_id for one in running)
            log.error("worker.crashed worker=%s code=%d id=%s", child.worker, code, ids)
        elif code not in (DONE, LEASE_LOST) and late is None and not self._signals.stops:
            log.warning("worker.ended worker=%s code=%d", child.worker, code)
        self._aftermath.give_back(child.worker, crashed, late)
        if not self._signals.stops and not child.worn and not (self._options.burst and code == DONE):
            self._wanted += 1
            self._start_at = time.monotonic() + self._pauses.after(time.monotonic() - child.started)
        child.slot.close()

    def _stop(self) -> None:
        """Let children finish what they run, for `grace` seconds or until a second signal; then end them."""
        if self._signals.stops:
            log.info("worker.stopping processes=%d grace=%gs", len(self._children), self._options.grace)
            self._notifier.send("STOPPING=1")
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + self._options.grace
        while self._children and self._signals.stops < 2 and time.monotonic() < deadline:
            self._tick()
        for child in self._children:
            child.kill()
        for child in self._children:
            os.waitpid(child.pid, 0)
            self._aftermath.give_back(child.worker)
        self._children = []
        self._aftermath.send()

    # Within

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        """Sent once: whoever calls tries again at a later tick."""
        return self._settings.server.ask(commands, patience=0.0)

    def _report_away(self, error: Exception) -> None:
        self._away_at = time.monotonic()
        log.warning("server.away url=%s error=%s", redact(self._settings.server.url), error)
