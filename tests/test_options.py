"""Options are checked when they are given, not when a worker meets them."""

from __future__ import annotations

from typing import Any

import pytest

from redisq import InvalidName, InvalidOption, RedisQ
from redisq.options import DEFAULTS, CallOptions, RunOptions

NAN, INF = float("nan"), float("inf")

WRONG = [
    {"delay": -1},
    {"delay": -0.001},
    {"delay": NAN},
    {"delay": INF},
    {"delay": "5"},
    {"delay": None},
    {"delay": True},
    {"max_attempts": 0},
    {"max_attempts": -1},
    {"max_attempts": 1.5},
    {"max_attempts": "3"},
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": NAN},
    {"timeout": INF},
    {"timeout": "1"},
    {"result_ttl": -1},
    {"result_ttl": NAN},
    {"backoff": -1},
    {"backoff": INF},
    {"prioritty": 1},
    {"run": RunOptions()},
]


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_makes_no_sense_is_refused_at_once(app: RedisQ, wrong: dict[str, Any]) -> None:
    task = app.task("t")(lambda: None)
    with pytest.raises(InvalidOption):
        task.options(**wrong)
    with pytest.raises(InvalidOption):
        app.queue("q").options(**wrong)
    with pytest.raises(InvalidOption):
        task.options(delay=1.0).options(**wrong)
    with pytest.raises(InvalidOption):
        app.queue("q").enqueue_many("t", [((), {}, wrong)])


@pytest.mark.parametrize("wrong", [w for w in WRONG if "delay" not in w], ids=repr)
def test_a_tasks_own_options_are_checked_too(app: RedisQ, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        app.task("t", **wrong)(lambda: None)
    assert not app.tasks


@pytest.mark.parametrize("queue", ["", "a b", "a.b", "{a}", "a" * 65, "ä", "a\n", "*"])
def test_a_queues_name_is_checked_wherever_it_is_given(app: RedisQ, queue: str) -> None:
    task = app.task("t")(lambda: None)
    for give in (
        lambda: task.options(queue=queue),
        lambda: task.options(delay=1.0).options(queue=queue),
        lambda: app.queue(queue),
        lambda: app.task("u", queue=queue)(lambda: None),
        lambda: RedisQ("redis://h", namespace=queue),
        lambda: app.feed(queue),
        lambda: task.options(feed=queue),
    ):
        with pytest.raises(InvalidName):
            give()


@pytest.mark.parametrize("job_id", ["", " ", "a b", "x" * 129, "ä", "a\n", "{a}", "a/b", 7, b"a", ["a"]])
def test_a_job_id_is_checked(app: RedisQ, job_id: Any) -> None:
    with pytest.raises(InvalidName):
        app.queue("q").options(job_id=job_id)


def test_later_options_go_over_earlier_ones() -> None:
    options = CallOptions().with_(delay=1.0, max_attempts=5).with_(delay=2.0, timeout=3.0)
    assert (options.delay, options.run.max_attempts, options.run.timeout) == (2.0, 5, 3.0)


def test_a_calls_options_go_over_those_of_its_task() -> None:
    run = RunOptions(max_attempts=7).over(RunOptions(max_attempts=1, timeout=2.0)).over(DEFAULTS)
    assert (run.max_attempts, run.timeout, run.result_ttl) == (7, 2.0, DEFAULTS.result_ttl)


def test_zero_is_something_that_was_said() -> None:
    run = RunOptions(result_ttl=0.0, backoff=0.0).over(DEFAULTS)
    assert (run.result_ttl, run.backoff) == (0.0, 0.0)
