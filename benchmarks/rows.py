"""An app of two tasks that insert rows into the SQLite file $REDISQ_BENCH_DATABASE: one for a job, and for a batch."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from functools import cache

from redisq import CurrentJob, RedisQ

DATABASE = "REDISQ_BENCH_DATABASE"
#: The most rows of a call of `insert_all`.
ROWS = 100

app = RedisQ()


@app.task("rows.insert", queue="bench")
def insert(number: int) -> None:
    """A row, in a transaction of its own."""
    _insert([number])


@app.task("rows.insert_all", queue="bench", batch=ROWS)
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
