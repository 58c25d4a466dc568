"""The supervisor: starts children, renews their leases, ends those that are stuck, and gives back what the dead ones
held.

It runs no job itself, so nothing that a job does can keep it from renewing.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

import msgspec

from ..app import RedisQ
from ..claimed import Source
from ..claimer import registration, renewal, worker_name
from ..endpoint import Command
from ..errors import RedisQError
from ..retry import reconnect_delays
from ..urls import redact
from .aftermath import Aftermath
from .board import Running, Slot
from .child import DONE, LEASE_LOST, Child
from .health import Health
from .orders import Orders
from .process import Process
from .ticker import Ticker

log = logging.getLogger(__name__)

#: Seconds between two looks at the children. A child's death is seen at once.
TICK = 0.1
#: Seconds after which the supervisor gives back what waits behind a job, if the child's guard could not.
GUARD_TIME = 1.0
#: Seconds of a short life; after many of them in a row, the next child has to wait, longer and longer.
SHORT_LIFE = 1.0
MANY_SHORT_LIVES = 5
LONGEST_PAUSE = 5.0
#: Seconds without a sign of life after which a child that runs no job is stuck: far more than a block and a time-out.
DEAF_TIME = 15.0


class Options(msgspec.Struct, frozen=True):
    """What a worker is asked to do. `queues` in the order of their priority; `grace` in seconds.

    `health_file`: see health.py.
    """

    queues: Sequence[str]
    processes: int = 1
    burst: bool = False
    grace: float = 30.0
    health_file: str | None = None


class Supervisor:
    """Runs a worker until it is told to stop, or, in a burst, until nothing is queued."""

    def __init__(self, app: RedisQ, options: Options) -> None:
        self._app = app
        self._settings = app.settings
        self._options = options
        self._sources = [Source(name, app.queue(name).base) for name in options.queues]
        self._children: list[Process] = []
        self._aftermath = Aftermath(app, self._sources, self._call, self._report_away)
        self._wanted = options.processes
        self._delays = reconnect_delays(longest=2.0)
        self._start_at = 0.0
        self._renew_at = 0.0
        self._away_at = 0.0
        self._health = Health(options.health_file) if options.health_file else None
        self._short_lives = 0
        self._warned = False
        self._stops = 0
        self._orders = Orders(app.settings, self._sources)
        served = [] if options.burst else [entry for entry in app.crons.values() if entry.queue in options.queues]
        self._ticker = Ticker(app.settings, served)

    def run(self) -> int:
        """The exit code."""
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, _ignore)
        try:
            while not self._stops and (self._children or self._wanted):
                self._start()
                self._tick()
            self._stop()
        finally:
            for child in self._children:  # only if something unforeseen was raised
                child.kill()
        return 0

    # Starting

    def _start(self) -> None:
        while self._wanted and time.monotonic() >= self._start_at and not self._stops:
            worker = worker_name()
            try:
                self._call(registration(self._settings, self._sources, worker))
            except RedisQError as error:
                self._start_at = time.monotonic() + next(self._delays)
                self._report_away(error)
                return
            self._delays = reconnect_delays(longest=2.0)
            self._warn_of_eviction()
            self._children.append(Process.fork(worker, partial(self._main, worker)))
            self._wanted -= 1
            log.info("worker.started worker=%s queues=%s", worker, ",".join(self._options.queues))

    def _warn_of_eviction(self) -> None:
        """A server that evicts keys when it is full deletes jobs."""
        if self._warned:
            return
        self._warned = True
        try:
            memory = self._call([("INFO", "memory")])[0].decode()
        except RedisQError as error:
            log.debug("server.policy_unknown error=%s", error)
            return
        policy = memory.partition("maxmemory_policy:")[2].split("\r")[0]
        if policy not in ("", "noeviction"):
            log.warning(
                "server.evicts policy=%s: when it is full it DELETES JOBS; set maxmemory-policy noeviction", policy
            )

    def _main(self, worker: str, slot: Slot) -> int:
        """In the child."""
        signal.set_wakeup_fd(-1)
        self._orders.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._woken.close()
        self._wake.close()
        child = Child(self._app, self._sources, worker, slot, self._options.burst)
        if self._stops:  # the signal came before the child's own handler was in place
            child.stop()
        return child.run()

    # Watching

    def _tick(self) -> None:
        select.select([self._woken], [], [], TICK)
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        for child in list(self._children):
            code = child.exit_code()
            if code is not None:
                self._children.remove(child)
                self._bury(child, code)
            else:
                self._watch(child)
        self._aftermath.send()
        self._renew()
        self._obey()
        if not self._stops:
            self._ticker.look()
        if self._health and all(child.silent_for() < DEAF_TIME for child in self._children) and not self._wanted:
            self._health.note()

    def _obey(self) -> None:
        order = self._orders.next([child.worker for child in self._children])
        for child in self._children:
            if order is not None and order[0] == child.worker:
                child.stop(order[1])

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
        running = child.slot.running()
        late = running if running is not None and running == child.doomed and running.over_limit else None
        blamed = ""
        if child.doomed is None and running is not None and not self._stops:
            blamed = running.job_id
            log.error("worker.crashed worker=%s code=%d id=%s", child.worker, code, blamed)
        elif code not in (DONE, LEASE_LOST) and late is None and not self._stops:
            log.warning("worker.ended worker=%s code=%d", child.worker, code)
        self._aftermath.give_back(child.worker, blamed, late)
        if not self._stops and not (self._options.burst and code == DONE):
            self._wanted += 1
            self._start_at = time.monotonic() + self._pause(child)
        child.slot.close()

    def _pause(self, child: Process) -> float:
        """Seconds until another child starts: none, unless one after the other ends as soon as it has begun."""
        lived = time.monotonic() - child.started
        self._short_lives = 0 if lived > SHORT_LIFE else self._short_lives + 1
        over = self._short_lives - MANY_SHORT_LIVES
        return min(0.1 * 2.0 ** min(over, 10), LONGEST_PAUSE) if over > 0 else 0.0

    def _stop(self) -> None:
        """Let children finish what they run, for `grace` seconds or until a second signal; then end them."""
        if self._stops:
            log.info("worker.stopping processes=%d grace=%gs", len(self._children), self._options.grace)
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + self._options.grace
        while self._children and self._stops < 2 and time.monotonic() < deadline:
            self._tick()
        self._stops = max(self._stops, 1)
        for child in self._children:
            child.kill()
        for child in self._children:
            os.waitpid(child.pid, 0)
            self._aftermath.give_back(child.worker)
        self._children = []
        self._aftermath.send()
        log.info("worker.stopped")

    # Within

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        """Sent once: whoever calls tries again at a later tick."""
        return self._settings.server.ask(commands, patience=0.0)

    def _report_away(self, error: Exception) -> None:
        self._away_at = time.monotonic()
        log.warning("server.away url=%s error=%s", redact(self._settings.server.url), error)

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stops += 1


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """The wake-up socket has it."""
