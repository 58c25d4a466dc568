"""Rows of a database, a job each: a transaction for each job, beside one for a batch of a hundred."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from functools import partial

from bench import Bench
from rows import DATABASE, ROWS
from runs import Figures, Run, options
from servers import Server
from workers import Worker


def rows(database: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])


def drain(bench: Bench, worker: Worker, database: str, task: str, jobs: int) -> Figures:
    before = rows(database)
    bench.queue.pause()
    bench.queue.enqueue_many(task, [((number,), {}) for number in range(jobs)])
    figures = bench.drain([worker], jobs).figures()
    assert rows(database) == before + jobs
    return figures


def main() -> int:
    args = options(__doc__, jobs=1_000, rounds=5).parse_args()
    with tempfile.TemporaryDirectory(prefix="redisq-bench-") as directory, Server(args.server) as server:
        database = os.path.join(directory, "rows.db")
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE rows (number INTEGER)")
        bench = Bench(server)
        with Worker(server.url, environment={DATABASE: database}, app="rows:app") as worker:
            turn = partial(drain, bench, worker, database)
            turn("rows.insert", 100)  # the worker starts
            run = Run(args, server.version)
            batches = f"batches of {ROWS}"
            run.take_turns(
                {
                    "one by one": partial(turn, "rows.insert", args.jobs),
                    batches: partial(turn, "rows.insert_all", args.jobs),
                }
            )
        bench.close()
    run.show("jobs_per_s", batches)
    if args.save:
        run.save("batches")
    return 0


if __name__ == "__main__":
    sys.exit(main())
