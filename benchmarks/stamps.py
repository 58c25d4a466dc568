"""When a job started: it says so itself, through a FIFO."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks import STAMP


class Stamps:
    """A FIFO, `file`, into which `tasks.stamp` writes, as a context manager. $REDISQ_BENCH_STAMPS tells the worker."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="redisq-bench-")
        self.file = Path(self._folder) / "stamps"
        os.mkfifo(self.file)
        self._stamps = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._stamps, True)
        self._keep_open = os.open(self.file, os.O_WRONLY)  # a read before the first writer comes would be its end

    def latency(self, send: Callable[[int], object]) -> float:
        """Seconds from before `send`, which is given the time to be stamped, to the job's start."""
        sent = time.monotonic_ns()
        send(sent)
        same, started = STAMP.unpack(os.read(self._stamps, STAMP.size))
        assert same == sent
        return float(started - sent) / 1e9

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._keep_open)
        os.close(self._stamps)
        shutil.rmtree(self._folder, ignore_errors=True)
