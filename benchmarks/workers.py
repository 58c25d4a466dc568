"""A worker as users start it, for one benchmark; and how much processor time it has used (on Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

TIMEOUT = 120.0
PAUSE = 0.02


class Memory(NamedTuple):
    """Of a process, in bytes: `rss` is all that it has in memory; `pss` counts what it shares by its share of it."""

    rss: int
    pss: int

    @classmethod
    def of(cls, pid: int) -> Memory:
        words = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        sizes = {line[0]: int(line[1]) * 1024 for line in words if line[0] in ("Rss:", "Pss:")}
        return cls(sizes["Rss:"], sizes["Pss:"])


class Worker:
    """`redisq-worker` for these queues, as a context manager."""

    def __init__(
        self,
        url: str,
        queues: str = "bench",
        processes: int = 1,
        environment: dict[str, str] | None = None,
        app: str = "tasks:app",
    ) -> None:
        command = [sys.executable, "-m", "redisq.cli", "--app", app, "--url", url, "--queues", queues]
        command += ["--processes", str(processes), "--log-level", "warning"]
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path} | (environment or {}))

    def pids(self) -> list[int]:
        """Of the supervisor, and of its children."""
        return [self._process.pid, *children(self._process.pid)]

    def memory(self) -> list[Memory]:
        """Of the supervisor, and of its children."""
        return [Memory.of(pid) for pid in self.pids()]

    def cpu(self) -> float:
        """Seconds of processor time of the supervisor and its children, all threads."""
        threads = [thread for pid in self.pids() for thread in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it is true. An error if the worker ends before, or if it takes too long."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the worker does not do its work")
            time.sleep(PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
