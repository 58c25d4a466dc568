"""SIGHUP: the code as it now is, without a gap.

An app is imported once, so new code takes a new process. The supervisor starts a stand-in: its own command line again.
When all children of the stand-in serve, the supervisor lets its own finish, then executes its command line in its own
place, so that its pid stays, which may be a container's first or systemd's main one. When its new children serve, it
lets the stand-in go. At each step the next one serves before the last one stops, and the two share nothing but a pipe,
on which the stand-in says that it serves. New code that is broken ends the stand-in, and nothing else.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import NamedTuple

from .notify import VARIABLES, Notifier
from .signals import HELD_BACK, Signals

log = logging.getLogger(__name__)

#: PARENT:READY:STAND_IN, see Handover. Other versions read it, too.
VARIABLE = "REDISQ_WORKER_HANDOVER"
#: Seconds that a stand-in may take until it serves.
READY_TIME = 120.0
#: Seconds between two attempts to execute new code that a stand-in could run, and the supervisor cannot.
RETRY_PAUSE = 1.0
#: Seconds after the signal of a hang-up until the kernel has taken the terminal away.
HANG_UP_TIME = 0.05
_STOPS = {signal.SIGTERM, signal.SIGINT}


def command_line() -> list[str]:
    """What this process was started with."""
    return [sys.executable, *sys.orig_argv[1:]]


def _directory() -> str:
    """Where it was started: the name, since a deployment may let a symbolic link lead elsewhere."""
    named = os.environ.get("PWD", "")
    return named if os.path.isabs(named) and os.path.exists(named) and os.path.samefile(named, ".") else os.getcwd()


def _has_terminal(after: float = 0.0) -> bool:
    time.sleep(after)
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class StandIn:
    """Another supervisor, a child process of this one. `ready`: where it says that it serves."""

    def __init__(self, pid: int, ready: int = -1) -> None:
        self.pid = pid
        self.started = time.monotonic()
        self._ready = ready
        self._told = 0
        self._code: int | None = None

    @classmethod
    def start(cls, directory: str) -> StandIn:
        """OSError if it cannot be."""
        ready, said = os.pipe()
        environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environ[VARIABLE] = f"{os.getpid()}:{said}:0"
        try:
            # a group of its own: a terminal's Ctrl-C is ours to pass on, and would otherwise come twice
            process = subprocess.Popen(command_line(), cwd=directory, env=environ, pass_fds=[said], process_group=0)
        except OSError:
            os.close(ready)
            raise
        finally:
            os.close(said)
        process.returncode = 0  # its object is not to wait for it: `ended` does
        os.set_blocking(ready, False)
        return cls(process.pid, ready)

    def serves(self) -> bool:
        """Whether all its children do. True once."""
        try:
            return os.read(self._ready, 1) != b""
        except BlockingIOError:
            return False

    def tell(self, times: int) -> None:
        """See that it was told to stop so often: the second time it ends at once, the third it is killed."""
        while self._told < times and self.ended() is None:
            self._told += 1
            os.kill(self.pid, signal.SIGTERM if self._told < 3 else signal.SIGKILL)

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # the image before this one has seen its end
                pid, status = self.pid, 0
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def close(self) -> None:
        if self._ready >= 0:
            os.close(self._ready)


class Handover(NamedTuple):
    """What a supervisor is told by who started it, or by the image whose place it takes.

    `parent`: the process without which it is to end; 0: none. `ready`: where to say that it serves; -1: nowhere.
    `stand_in`: the process that serves until then; 0: none.
    """

    parent: int = 0
    ready: int = -1
    stand_in: int = 0

    @classmethod
    def take(cls) -> Handover:
        """Out of the environment, so that no program that a job starts believes that it is meant."""
        try:
            parent, ready, stand_in = map(int, os.environ.pop(VARIABLE, "").split(":"))
            if ready >= 0:
                os.set_inheritable(ready, False)
        except (ValueError, OSError):
            return cls()
        return cls(parent, ready, stand_in)

    def retry(self, trouble: str) -> bool:
        """The code is broken, although the stand-in could run it a moment ago. Comes back when that has ended: whether
        it was asked to.
        """
        if not self.stand_in:
            return False
        log.error("reload.failed error=%s; the stand-in serves", trouble)
        time.sleep(RETRY_PAUSE)
        _execute(self, StandIn(self.stand_in), _directory())
        return self.abandoned or bool(signal.sigpending() & _STOPS)

    @property
    def abandoned(self) -> bool:
        """Whether the parent is gone."""
        return self.parent not in (0, os.getppid())


NOTHING = Handover()


class Rolling:
    """The steps of one supervisor, one at each tick."""

    def __init__(self, handover: Handover, signals: Signals, notifier: Notifier) -> None:
        self._signals = signals
        self._handover = handover
        self._notifier = notifier
        self._directory = _directory()
        self._terminal = _has_terminal()
        self._stand_in = StandIn(handover.stand_in) if handover.stand_in else None
        self._relieving = self._stand_in is not None
        self._told_ready = handover.ready < 0

    def step(self, serving: bool) -> bool:
        """`serving`: all children of this supervisor do. True: the stand-in serves, `execute` is next."""
        if serving and not self._told_ready:
            with suppress(OSError), open(self._handover.ready, "wb") as ready:
                ready.write(b"1")
            self._told_ready = True
        if self._stand_in is None:
            if self._signals.reload and self._terminal and not _has_terminal(after=HANG_UP_TIME):
                self._signals.stops = 1  # so it came from the terminal, which is gone
            elif self._signals.reload:
                self._begin()
        elif (code := self._stand_in.ended()) is not None:
            self._end(code)
        elif self._relieving:
            self._stand_in.tell(int(serving))
        elif self._stand_in.serves():
            log.info("reload.serving pid=%d", self._stand_in.pid)
            return True
        elif time.monotonic() > self._stand_in.started + READY_TIME:
            self._stand_in.tell(1)
        return False

    def pass_on(self) -> None:
        """As often as this supervisor is told to stop, so is the stand-in. Who has lost its parent is told to."""
        if not self._signals.stops and self._handover.abandoned:
            self._signals.stops = 1
        if self._stand_in is not None:
            self._stand_in.tell(self._signals.stops)

    def over(self) -> bool:
        """Whether there is no stand-in that runs."""
        return self._stand_in is None or self._stand_in.ended() is not None

    def execute(self) -> None:
        """Become the new image. Comes back only if told to stop, or if that fails until the stand-in has ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        if self._stand_in is not None and not self._signals.stops:
            atexit._run_exitfuncs()
            _execute(self._handover, self._stand_in, self._directory)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)

    def _begin(self) -> None:
        self._signals.reload = False
        self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            self._stand_in = StandIn.start(self._directory)
        except OSError as error:
            self._notifier.send("READY=1")
            log.error("reload.failed error=%s", error)
        else:
            log.info("reload.begun pid=%d", self._stand_in.pid)

    def _end(self, code: int) -> None:
        assert self._stand_in is not None
        self._stand_in.close()
        self._stand_in = None
        if self._relieving:
            self._relieving = False
            log.info("reload.done")
        else:
            self._notifier.send("READY=1")
            log.error("reload.failed code=%d: what ran before goes on", code)


def _execute(handover: Handover, stand_in: StandIn, directory: str) -> None:
    os.environ[VARIABLE] = f"{handover.parent}:-1:{stand_in.pid}"
    while True:
        if handover.abandoned or signal.sigpending() & _STOPS:
            stand_in.tell(1)
        else:
            try:
                os.chdir(directory)
                os.execv(sys.executable, command_line())
            except OSError as error:
                log.error("reload.failed error=%s", error)
        if stand_in.ended() is not None:
            return
        time.sleep(RETRY_PAUSE)
