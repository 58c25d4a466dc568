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
from types import FrameType
from typing import Any

import msgspec

from .. import claimed as verdict
from .. import keys
from ..app import RedisQ
from ..claimed import Claimed, Settlement, Source
from ..claimer import giving_back, registration, renewal, settling, worker_name
from ..connection import Command, evalsha
from ..errors import RedisQError, ServerUnavailable
from ..retry import reconnect_delays
from ..scripts import RELEASE
from ..urls import redact
from .board import Running, Slot
from .child import DONE, LEASE_LOST, Child
from .health import Health
from .orders import Orders
from .process import Process

log = logging.getLogger(__name__)

#: Seconds between two looks at the children. A child's death is seen at once.
TICK = 0.1
#: Seconds after which the supervisor gives back what waits behind a job, if the child's guard could not.
GUARD_TIME = 1.0
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
        self._left: list[list[Command]] = []
        self._wanted = options.processes
        self._delays = reconnect_delays(longest=2.0)
        self._start_at = 0.0
        self._renew_at = 0.0
        self._away_at = 0.0
        self._health = Health(options.health_file) if options.health_file else None
        self._stops = 0
        self._orders = Orders(app.settings, self._sources)
        self._woken, self._wake = socket.socketpair()

    def run(self) -> int:
        """The exit code."""
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
                self._call(registration(self._settings, self._sources, worker), patience=0.0)
            except RedisQError as error:
                self._start_at = time.monotonic() + next(self._delays)
                self._report_away(error)
                return
            self._delays = reconnect_delays(longest=2.0)
            self._children.append(Process.fork(worker, lambda slot, worker=worker: self._main(worker, slot)))  # type: ignore[misc]
            self._wanted -= 1
            log.info("worker.started worker=%s queues=%s", worker, ",".join(self._options.queues))

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
        self._send_left()
        self._renew()
        self._obey()
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
        queue, _, local_id = running.job_id.partition(".")
        names = [source.name for source in self._sources]
        ended_args = self._settings.retention.ended_args
        # a claim's jobs run in the order of the queues: of the later ones, none has begun
        for source in self._sources[names.index(queue) :]:
            args = (child.worker, local_id if source.name == queue else "", *ended_args)
            self._left.append([evalsha(RELEASE, [source.base], args)])

    def _renew(self) -> None:
        now = time.monotonic()
        if now < self._renew_at or not self._children:
            return
        workers = [child.worker for child in self._children]
        try:
            self._call(renewal(self._sources, workers), patience=0.0)
            self._renew_at = now + self._settings.lease / 4
        except RedisQError as error:
            self._renew_at = now + self._settings.lease / 12
            self._report_away(error)

    # Ending

    def _bury(self, child: Process, code: int) -> None:
        """A child has ended: settle the job that it was killed for, give back the rest, and start another if one is
        needed.
        """
        running = child.slot.running()
        commands: list[Command] = []
        blamed = ""
        if child.doomed is not None and running == child.doomed and running.over_limit:
            commands += self._settling_late(child, running)
        elif child.doomed is None and running is not None and not self._stops:
            blamed = running.job_id
            log.error("worker.crashed worker=%s code=%d id=%s", child.worker, code, blamed)
        elif code not in (DONE, LEASE_LOST) and not self._stops:
            log.warning("worker.ended worker=%s code=%d", child.worker, code)
        self._left.append([*commands, *giving_back(self._settings, self._sources, child.worker, blamed)])
        if not self._stops and not (self._options.burst and code == DONE):
            self._wanted += 1
            if child.slot.last_beat() == 0.0:  # it did not get as far as a claim: do not start its like in a tight loop
                self._start_at = time.monotonic() + next(self._delays)
        child.slot.close()

    def _settling_late(self, child: Process, running: Running) -> list[Command]:
        """What settles a job that ran longer than it may: an attempt that has failed."""
        job = self._look_up(running.job_id)
        if job is None:
            return []
        task = self._app.tasks.get(job.task_name)
        options = job.run_options(task.run_options) if task else job.run_options()
        settlement: Settlement = verdict.failed(job, f"timeout: it ran longer than {running.limit:g} s", options)
        return settling(self._settings, child.worker, [settlement])

    def _look_up(self, full_id: str) -> Claimed | None:
        name, local_id = keys.FullId.parse(full_id)
        source = next(source for source in self._sources if source.name == name)
        fields = ("d", "v", "t", "b", "o", "e", "a", "u", "f")
        try:
            row = self._call([("HMGET", f"{source.base}{keys.NAMES['job']}{local_id}", *fields)], patience=1.0)[0]
        except RedisQError as error:
            self._report_away(error)
            return None
        return Claimed(source, local_id.encode(), int(row[0]), *row[1:]) if row[0] else None

    def _send_left(self) -> None:
        """Send what is to be settled or given back for dead children; again at the next tick if the server is away."""
        left, self._left = self._left, []
        for commands in left:
            try:
                self._call(commands, patience=0.0)
            except RedisQError as error:
                self._left.append(commands)
                self._report_away(error)

    def _stop(self) -> None:
        """Let children finish what they run, for `grace` seconds or until a second signal; then end them."""
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
            self._left.append(giving_back(self._settings, self._sources, child.worker))
        self._children = []
        self._send_left()

    # Within

    def _call(self, commands: Sequence[Command], patience: float) -> list[Any]:
        replies = self._settings.server.call(commands, patience)
        for reply in replies:
            if isinstance(reply, Exception):
                raise ServerUnavailable(str(reply)) from reply
        return replies

    def _report_away(self, error: Exception) -> None:
        self._away_at = time.monotonic()
        log.warning("server.away url=%s error=%s", redact(self._settings.server.url), error)

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stops += 1


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """The wake-up socket has it."""
