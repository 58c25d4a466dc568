"""The relay and the worker as processes, killed between the end of a task and its delivery."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redisq_api.database import Database

import redisq
from tests.api.conftest import Client
from tests.api.webhooks.conftest import LOOPBACK
from tests.api.webhooks.receivers import Receiver
from tests.api.working import TASK, post, work
from tests.waiting import wait_until

Start = Callable[..., subprocess.Popen[bytes]]
WORKER = "redisq_api.webhooks.worker:app"


@pytest.fixture
def start(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts the relay, or the worker of webhooks."""
    environ = {
        "REDISQ_DATABASE": database_url, "REDISQ_URL": redis_url, "REDISQ_APP": "redisq_api.tasks:app",
        "REDISQ_API_WEBHOOK_ALLOW": ",".join(map(str, LOOPBACK)), "REDISQ_API_WEBHOOK_RETRIES": "1,1,1",
        "REDISQ_API_WEBHOOK_QUEUE": "webhooks",
    }  # fmt: skip
    commands = {
        "relay": ["redisq_api.cli", "relay"],
        "worker": ["redisq.cli", "--app", WORKER, "--queues", "webhooks", "--threads", "4", "--lease", "2"],
    }
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str) -> subprocess.Popen[bytes]:
        module, *rest = commands[name]
        code = f"import sys; from {module} import main; sys.exit(main())"
        with (tmp_path / name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *rest],
                env=os.environ | environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills it with all of its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def client(make_client: Callable[..., Client], redis_url: str) -> Client:
    return make_client("ann", redis_url, webhook_allow=LOOPBACK)


def delivered(database: Database) -> list[Any]:
    return database.all("SELECT id, task_id FROM webhook_delivery WHERE state = 'delivered'")


def test_nothing_is_lost_when_relay_and_worker_are_killed(
    client: Client, app: redisq.RedisQ, start: Start, there: Receiver, database: Database
) -> None:
    there.answers = [500, 500]
    tasks = post(client, [f"{n}" for n in range(10)], callback_url=there.url)
    work(app, count=10)
    relay, worker = start("relay"), start("worker")
    there.wait(1)
    kill(relay)
    kill(worker)
    relay, worker = start("relay"), start("worker")
    kill(worker)
    start("worker")
    wait_until(lambda: len(delivered(database)) == 10, 60.0, "all are delivered")
    assert {task_id for _, task_id in delivered(database)} == {task["id"] for task in tasks}
    received = {request.headers["webhook-id"] for request in there.requests}
    assert received == {delivery_id for delivery_id, _ in delivered(database)}
    states = {client("GET", f"{TASK}/{task['id']}").json["status"] for task in tasks}
    assert states == {"succeeded"}


def test_the_worker_needs_no_database(redis_url: str, tmp_path: Path) -> None:
    code = (
        f"import sys; from {WORKER.partition(':')[0]} import app; assert 'webhook.deliver' in app.tasks;"
        " print([name for name in ('peewee', 'falcon', 'psycopg', 'argon2') if name in sys.modules])"
    )
    environ = os.environ | {"REDISQ_URL": redis_url, "REDISQ_APP": "redisq_api.tasks:app"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
