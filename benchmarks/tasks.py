"""The jobs that the benchmarks run: their workers are started with `--app tasks:app`."""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Sequence
from functools import cache

from redisq import CurrentJob, RedisQ

#: Where `stamp` says when it was sent and when it started: the name of a FIFO, which the benchmark reads.
STAMPS = "REDISQ_BENCH_STAMPS"
STAMP = struct.Struct("=QQ")
#: Where `insert` and `insert_all` put their rows: the name of an SQLite file.
DATABASE = "REDISQ_BENCH_DATABASE"
#: The most rows of a call of `insert_all`.
ROWS = 100

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


@app.task("tasks.insert", queue="bench")
def insert(number: int) -> None:
    """A row, in a transaction of its own."""
    _insert([number])


@app.task("tasks.insert_all", queue="bench", batch=ROWS)
def insert_all(jobs: list[CurrentJob]) -> None:
    """The same rows, a batch in a transaction."""
    _insert([job.args[0] for job in jobs])


def _insert(numbers: Sequence[int]) -> None:
    with _database() as database:
        database.executemany("INSERT INTO rows VALUES (?)", [(number,) for number in numbers])


@cache
def _database() -> sqlite3.Connection:
    database = sqlite3.connect(os.environ[DATABASE])
    database.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER)")
    return database


@cache
def _stamps() -> int:
    return os.open(os.environ[STAMPS], os.O_WRONLY)
