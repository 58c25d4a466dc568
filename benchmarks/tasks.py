"""The jobs that the benchmarks run: their workers are started with `--app tasks:app`."""

from __future__ import annotations

import os
import struct
import time
from functools import cache

from redisq import RedisQ

#: Where `stamp` says when it was sent and when it started: the name of a FIFO, which the benchmark reads.
STAMPS = "REDISQ_BENCH_STAMPS"
STAMP = struct.Struct("=QQ")

app = RedisQ()


@app.task("tasks.noop", queue="bench")
def noop() -> None:
    """Nothing: what is left is what the queue costs."""


@app.task("tasks.stamp", queue="bench")
def stamp(sent: int) -> None:
    """Tell the benchmark when this started. Times are nanoseconds of the monotonic clock, which processes share."""
    os.write(_stamps(), STAMP.pack(sent, time.monotonic_ns()))


@app.task("tasks.double", queue="bench")
def double(number: int) -> int:
    """Something that has a result."""
    return 2 * number


@cache
def _stamps() -> int:
    return os.open(os.environ[STAMPS], os.O_WRONLY)
