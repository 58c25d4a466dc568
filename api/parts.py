"""Processes that are run together: started in order, started again when they die, and stopped together.

One thread and one loop: it waits for what the parts print, for a part that ends, for a signal, and for a pause to pass.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

BACKOFF = (0.1, 5.0)  # seconds before a part that died starts again: the first time, and at most
STEADY = 10.0  # seconds after which a part counts as healthy, so that its next death is a first one
GRACE = 40.0  # seconds for a part to end by itself: more than a worker gives its jobs
TICK = 0.1

Say = Callable[[str, str], None]


class Part:
    """One command line, run again and again; `fds` are descriptors that it inherits."""

    def __init__(self, name: str, command: Sequence[str], fds: Sequence[int] = ()) -> None:
        self.name = name
        self.command = command
        self.fds = fds
        self.due = 0.0
        self._pause = BACKOFF[0]

    def start(self, environ: Mapping[str, str]) -> Process:
        return Process(self, environ)

    def ended(self, seconds: float) -> None:
        """It ran for so long. `due` is from when on it may start again."""
        if seconds > STEADY:
            self._pause = BACKOFF[0]
        self.due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, BACKOFF[1])


class Process:
    """One run of a part."""

    def __init__(self, part: Part, environ: Mapping[str, str]) -> None:
        self.part = part
        self._started = time.monotonic()
        self._rest = b""
        self._process = subprocess.Popen(
            part.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            pass_fds=part.fds,
            start_new_session=True,  # a Ctrl-C is for us, who tell each part once
        )
        # The guard reads from a pipe that ends when we do, so that a kill -9 of us leaves no part behind.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read _; kill -TERM {self._process.pid}"], stdin=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        self.output = self._process.stdout.fileno()
        os.set_blocking(self.output, False)

    def read(self) -> tuple[list[str], bool]:
        """The lines that it has printed since, and whether more can come."""
        more = True
        try:
            while piece := os.read(self.output, 65536):
                self._rest += piece
            more = False
        except BlockingIOError:
            more = self._process.poll() is None  # a child of a dead process may still hold its output open
        *lines, self._rest = self._rest.split(b"\n")
        if self._rest and not more:
            lines, self._rest = [*lines, self._rest], b""
        return [line.decode(errors="replace") for line in lines], more

    def ended(self) -> str | None:
        """How it ended, such as "exit code 1" or "SIGKILL"; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def close(self) -> None:
        """When it has ended."""
        with self._guard, self._process:  # closes the pipes
            self._guard.kill()
        self.part.ended(time.monotonic() - self._started)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL to all of its processes, another one to the first, which tells its own."""
        if self._process.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)


class Supervisor:
    """Runs the parts until SIGINT, SIGTERM or SIGHUP; a second one kills what has not ended yet.

    `say(name, line)` gets all that is to be told; `tick` is called about ten times a second while they run.
    """

    def __init__(self, parts: Sequence[Part], environ: Mapping[str, str], say: Say, tick: Callable[[], None]) -> None:
        self.environ = environ
        self.say = say
        self.tick = tick
        self._waiting = list(parts)
        self._running: list[Process] = []
        self._signals = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Start everything, and come back when a signal has come and all has ended."""
        self._listen()
        try:
            while not self._signals:
                self._start()
                self._look()
                self.tick()
        finally:
            self._stop()

    def _start(self) -> None:
        for part in [part for part in self._waiting if time.monotonic() >= part.due]:
            self._waiting.remove(part)
            process = part.start(self.environ)
            self._running.append(process)
            self._selector.register(process.output, selectors.EVENT_READ, process)

    def _stop(self) -> None:
        self.say("up", "stopping; another Ctrl-C kills what has not ended yet")
        for process in self._running:
            process.tell(signal.SIGTERM)
        end = time.monotonic() + GRACE
        while self._running:
            if self._signals > 1 or time.monotonic() > end:
                for process in self._running:
                    process.tell(signal.SIGKILL)
            self._look()

    def _look(self) -> None:
        """Wait a little for anything to happen, pass on what was printed, and see who has ended."""
        for key, _ in self._selector.select(TICK):
            if key.data is None:
                os.read(key.fd, 1024)
            else:
                self._pass_on(key.data)
        for process in list(self._running):
            if cause := process.ended():
                self._pass_on(process)
                self._running.remove(process)
                self._waiting.append(process.part)
                process.close()
                self.say("up", f"{process.part.name} ended ({cause})")

    def _pass_on(self, process: Process) -> None:
        if process.output in self._selector.get_map():
            lines, more = process.read()
            for line in lines:
                self.say(process.part.name, line)
            if not more:
                self._selector.unregister(process.output)

    def _listen(self) -> None:
        """A signal only counts, and wakes the loop."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _count(self, number: int, frame: object) -> None:
        self._signals += 1
