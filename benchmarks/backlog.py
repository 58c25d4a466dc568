"""A long backlog of the REST service: a million tasks of one user wait in the database, and flow into a Redis that is
given a set number of jobs and of bytes at a time.

Meanwhile another user posts single tasks into the same queue, and interactive ones into `high`: how long after its POST
each has started is measured. Exit code 1 if one took longer than it may, or Redis had more than its bounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

import falcon.testing
from servers import Server

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from redisq_api import clock, create_app, migrations, outbox, users  # noqa: E402
from redisq_api.database import Database  # noqa: E402
from redisq_api.settings import Settings  # noqa: E402

import redisq  # noqa: E402
from tests.postgres import postgres  # noqa: E402

#: Seconds until a single task has started, at most: into `high`, and into the queue that is full of another's.
LIMITS = {"high": 1.0, "default": 10.0}
TASK = "/api/v1/task"
#: Digits count up in the last ten places, as in no id that the service makes; they are older than all of those.
FILL = (
    "INSERT INTO task (id, account_id, task, input_param, queue, state, attempt, created_at, due_at, relay_at, size)"
    " WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " SELECT '00000000000000000000' || CAST(1000000000 + i AS TEXT), ?, 'describe', ?, 'default', 'accepted', 1,"
    " CAST(? AS BIGINT) + i, ?, CAST(? AS BIGINT) + i, ? FROM n"
)


class Client:
    """One user of the service, which runs in this process."""

    def __init__(self, database: Database, config: Settings, app: redisq.RedisQ, name: str) -> None:
        user = users.find(database, name)
        assert user is not None
        self._app = app
        self._client = falcon.testing.TestClient(create_app(config, database=database, queue_app=app))
        self._headers = {"Authorization": f"Bearer {users.create_token(database, user)}"}

    def start_seconds(self, queue: str) -> float:
        """From a POST until its job has started, by the clock of this machine."""
        began = clock.now()
        body = {"input_param": "x", "queue": queue}
        task = self._client.simulate_post(TASK, json=body, headers=self._headers).json
        while True:
            path = f"{task['links']['result']}?wait=30"
            seen = self._client.simulate_get(path, headers=self._headers)
            if seen.status_code == 200:
                job = self._client.simulate_get(task["links"]["self"], headers=self._headers).json
                assert job["status"] == "succeeded", job
                started = clock.micros(datetime.fromisoformat(job["started_at"]))
                assert started is not None
                return max(0.0, (started - began) / clock.SECOND)


@contextmanager
def running(environ: dict[str, str], *commands: list[str]) -> Iterator[None]:
    """Processes that end with the block."""
    processes = [subprocess.Popen([sys.executable, *command], env=os.environ | environ) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def program(module: str, *arguments: str) -> list[str]:
    """The command line of a module's `main`."""
    return ["-c", f"import sys; from {module} import main; sys.exit(main())", *arguments]


def fill(database: Database, options: argparse.Namespace) -> float:
    """Makes the backlog; answers the seconds that it took."""
    owner = users.find(database, "many")
    assert owner is not None
    text, now = '"' + "x" * (options.size - 2) + '"', clock.now() - 3600 * clock.SECOND
    began = time.perf_counter()
    with database.write():
        database.run(FILL, options.tasks - 1, owner.id, text, now, now, now, len(text))
    return time.perf_counter() - began


def measure(options: argparse.Namespace, url: str, server: Server) -> bool:
    """One database: prints what was found, and answers whether it was as it should be."""
    config = Settings(redis_url=server.url, database=url, backlog=options.jobs, backlog_bytes=options.bytes)
    environ = {
        "REDISQ_URL": server.url, "REDISQ_DATABASE": url, "REDISQ_APP": "redisq_api.tasks:app",
        "REDISQ_API_BACKLOG": str(options.jobs), "REDISQ_API_BACKLOG_BYTES": str(options.bytes),
    }  # fmt: skip
    app = redisq.load_app("redisq_api.tasks:app").replace(url=server.url)
    with closing(Database(url)) as database:
        migrations.apply(database)
        for name in ("many", "single"):
            users.add(database, name, "secret", ["default", "high"])
        print(f"  {options.tasks} tasks of {options.size} bytes in the database within {fill(database, options):.1f} s")
        client = Client(database, config, app, "single")
        relays = [program("redisq_api.cli", "relay")] * options.relays
        with running(environ, *relays, program("redisq.cli", "--queues", "high,default")):
            return flood(options, database, app, client, server)


def ended(database: Database) -> int:
    """Tasks of the queue that have, as far as is noted."""
    row = database.one("SELECT number FROM tally WHERE queue = 'default' AND state = 'succeeded'")
    return int(row[0]) if row else 0


def flood(
    options: argparse.Namespace, database: Database, app: redisq.RedisQ, client: Client, server: Server
) -> bool:
    """While the backlog flows."""
    waits: dict[str, list[float]] = {queue: [] for queue in LIMITS}
    jobs = held = size = memory = done = 0
    while not ended(database):  # relay and worker take a moment to start
        time.sleep(0.1)
    began, first = time.perf_counter(), ended(database)
    while time.perf_counter() - began < options.seconds and done < options.tasks:
        for queue, found in waits.items():
            found.append(client.start_seconds(queue))
        counts, has = app.queue("default").counts(), outbox.held(database, "default")
        jobs, held, size = max(jobs, counts["queued"]), max(held, has.queued), max(size, has.queued_size)
        memory = max(memory, int(server.info()["used_memory"]))
        done = ended(database)
        time.sleep(0.1)
    done -= first
    took = time.perf_counter() - began
    print(f"  {done} ended in {took:.0f} s, {done / took:.0f}/s; Redis took at most {memory / 1e6:.0f} MB")
    print(f"  in Redis of `default` at most {jobs} waiting, {held} not known to have ended, {size} bytes of input")
    is_good = held <= options.jobs and size <= options.bytes and done > 0
    for queue, found in waits.items():
        print(
            f"  {len(found)} single tasks into `{queue}` started after {statistics.median(found):.3f} s in the median,"
            f" {max(found):.3f} s at most (limit {LIMITS[queue]:g} s)"
        )
        is_good = is_good and max(found) <= LIMITS[queue]
    return is_good


def main() -> int:
    """Exit codes: 0 as it should be, 1 not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=100, help="bytes of each input")
    parser.add_argument("--jobs", type=int, default=10_000, help="the bound of jobs in Redis")
    parser.add_argument("--bytes", type=int, default=64 * 1024 * 1024, help="the bound of bytes of their input")
    parser.add_argument("--seconds", type=float, default=60.0, help="after which it is enough")
    parser.add_argument("--relays", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    options = parser.parse_args()
    is_good = True
    for kind in options.database or ("sqlite", "postgresql"):
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite:///{folder}/x" if kind == "sqlite" else stack.enter_context(postgres())
            print(f"{kind}, {options.relays} relays", flush=True)
            is_good = measure(options, url, stack.enter_context(Server())) and is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
