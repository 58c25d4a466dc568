"""The processes of a fault run: each in a group of its own, started again when it ended, and all gone at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.guard import Guard
from tests.faults.history import History
from tests.waiting import wait_until

#: Seconds for a process to end by itself when it was asked to.
PATIENCE = 30.0


class Part:
    """A process that there is to be, under its name. `lock`: held by whoever does something to it."""

    def __init__(self, name: str, argv: Sequence[str], environ: Mapping[str, str], lasts: bool = True) -> None:
        self.name = name
        self.argv = argv
        self.environ = environ
        self.lasts = lasts
        self.lock = threading.RLock()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Fleet:
    """All parts. `history` is told of those that end when nobody has ended them."""

    def __init__(self, root: Path, directory: Path, history: History) -> None:
        self.parts: dict[str, Part] = {}
        self._root = root
        self._directory = directory
        self._history = history
        self._guard = Guard(root)
        self._closed = False
        (directory / "logs").mkdir(exist_ok=True)

    def add(self, part: Part) -> None:
        self.parts[part.name] = part
        self.start(part)

    def start(self, part: Part) -> None:
        with part.lock:
            if self._closed:
                return
            with (self._directory / "logs" / f"{part.name}.log").open("ab") as log:
                part.process = subprocess.Popen(
                    part.argv,
                    cwd=self._root,
                    env=os.environ | {"FAULTS_SLOT": part.name, **part.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._guard.watch(part.pid)

    def signal_group(self, part: Part, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(part.pid, number)

    def kill(self, part: Part) -> None:
        """SIGKILL of the process and its children."""
        self.signal_group(part, signal.SIGKILL)
        self._reap(part)

    def kill_parent(self, part: Part) -> None:
        """SIGKILL of the process alone."""
        os.kill(part.pid, signal.SIGKILL)
        assert part.process is not None
        part.process.wait()

    def terminate(self, part: Part) -> int:
        """SIGTERM, and wait for the end; the exit code. Killed if it takes too long, which is -9."""
        assert part.process is not None
        part.process.terminate()
        try:
            code = part.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill(part)
            return -signal.SIGKILL
        self._reap(part)
        return code

    def look(self) -> None:
        """Note and replace those that have ended by themselves."""
        for part in self.parts.values():
            if part.lock.acquire(blocking=False):
                try:
                    self._replace(part)
                finally:
                    part.lock.release()

    def _replace(self, part: Part) -> None:
        code = part.process.poll() if part.process else None
        if code is not None:
            self._reap(part)
            if part.lasts or code:
                self._history.note("died", slot=part.name, code=code)
                self.start(part)

    def close(self) -> None:
        """End all that is left, and its children. Doing it again is harmless."""
        self._closed = True
        for part in self.parts.values():
            with part.lock:
                if part.process is not None:
                    self.kill(part)
        self._guard.close()

    def _reap(self, part: Part) -> None:
        assert part.process is not None
        self.signal_group(part, signal.SIGKILL)
        part.process.wait()
        self.wait_for_group(part)

    def wait_for_group(self, part: Part) -> None:
        """Until none of its processes is left."""
        wait_until(lambda: not group_runs(part.pid), PATIENCE, f"the group of {part.name} is gone")
        self._guard.forget(part.pid)
        part.process = None


def group_runs(group: int) -> bool:
    """Whether a process of this group is left; one that has ended, and that nobody has asked how, is not."""
    return any(int(row[2]) == group for row in _processes())


def children(pid: int) -> list[int]:
    """The processes that this one has started."""
    return [int(row[0]) for row in _processes() if int(row[1]) == pid]


def _processes() -> list[list[str]]:
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True)
    return [row for line in done.stdout.splitlines() if (row := line.split())[3][0] != "Z"]
