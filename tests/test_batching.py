"""The options `batch` and `linger` of a task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from redisq import CurrentJob, InvalidOption, RedisQ
from redisq.batching import Batching


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0", patience=0.0)


def test_a_task_says_how_many_and_how_long(app: RedisQ) -> None:
    @app.task("index", batch=100, linger=0.05, max_attempts=7)
    def index(jobs: list[CurrentJob]) -> list[int]:
        return [job.args[0] for job in jobs]

    assert index.batching == Batching(100, 0.05)
    assert index.run_options.max_attempts == 7
    assert app.replace().tasks["index"].batching == Batching(100, 0.05)
    assert index([SimpleNamespace(args=[1]), SimpleNamespace(args=[2])]) == [1, 2]


def test_most_tasks_take_one_job(app: RedisQ) -> None:
    assert app.task("one")(lambda: None).batching is None
    assert app.task("some", batch=5)(lambda jobs: None).batching == Batching(5, 0.0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"batch": 0}, "batch: a whole number from 1 to 1000, not 0"),
        ({"batch": 1001}, "not 1001"),
        ({"batch": True}, "not True"),
        ({"batch": 2.0}, r"not 2\.0"),
        ({"batch": None}, "not None"),
        ({"batch": 5, "linger": -1}, "linger: seconds from 0 to 3600, not -1"),
        ({"batch": 5, "linger": float("nan")}, "not nan"),
        ({"batch": 5, "linger": 3601}, "not 3601"),
        ({"batch": 5, "linger": "1"}, "not '1'"),
        ({"linger": 1.0}, "linger: only with batch"),
        ({"batch": 5, "lingers": 1.0}, "unknown option: lingers"),
    ],
)
def test_what_makes_no_sense_is_refused(app: RedisQ, options: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidOption, match=error):
        app.task("index", **options)


def test_it_is_the_tasks_and_not_a_calls(app: RedisQ) -> None:
    task = app.task("index", batch=5)(lambda jobs: None)
    with pytest.raises(InvalidOption, match="unknown option: batch"):
        task.options(batch=10)
