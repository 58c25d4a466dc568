"""Posting tasks, and running them as a worker would."""

from __future__ import annotations

from typing import Any

from redisq_api.database import Database

import redisq
from tests.api.conftest import Client

TASK = "/api/v1/task"


def work(app: redisq.RedisQ, queue: str = "default", count: int = 1) -> None:
    """Runs `count` jobs of a queue, with claims of the library in the place of a worker."""
    for _ in range(count):
        delivery = app.queue(queue).claim(timeout=5.0)
        assert delivery is not None
        assert delivery.job.task is not None
        assert delivery.job.args is not None
        try:
            delivery.ack(app.tasks[delivery.job.task].func(*delivery.job.args))
        except RuntimeError as error:
            delivery.nack(error, retry_in=0)


def post(client: Client, value: Any = "qwerty", **fields: Any) -> Any:
    """What the service answers to a POST for the queue `default`."""
    answer = client.json({"input_param": value, "queue": "default"} | fields)
    assert answer.status_code == 202
    return answer.json


def state_in_database(database: Database, task: Any) -> str:
    """What the database alone knows of a task."""
    row = database.one("SELECT state FROM task WHERE id = ?", task["id"])
    assert row is not None
    return str(row[0])
