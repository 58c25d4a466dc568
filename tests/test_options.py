"""Options are checked when they are given, not when a worker meets them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from redisq import InvalidName, InvalidOption, RedisQ
from redisq.options import DEFAULTS, CallOptions, RunOptions

NAN, INF = float("nan"), float("inf")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

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
    {"soft_timeout": 0},
    {"soft_timeout": "1"},
    {"soft_timeout": 5.0, "timeout": 5.0},
    {"backoff": "1"},
    {"backoff": True},
    {"backoff": []},
    {"backoff": [1.0, -1.0]},
    {"backoff": [1.0, NAN]},
    {"backoff": [1.0, True]},
    {"backoff": [1.0] * 101},
    {"backoff": {"first": 1.0}},
    {"expires": 0},
    {"expires": -1},
    {"expires": NAN},
    {"expires": True},
    {"expires": "soon"},
    {"expires": datetime(2030, 1, 1)},
    {"backoff": -1},
    {"backoff": INF},
    {"prioritty": 1},
    {"run": RunOptions()},
]


WRONG_CALLS = [
    {"at": datetime(2030, 1, 1)},
    {"at": 1700000000},
    {"at": "2030-01-01T00:00:00Z"},
    {"at": NOON, "delay": 1.0},
    {"at": NOON, "delay": 0.0},
    {"delay": 5.0, "expires": 5.0},
    {"max_length": 0},
    {"retry_on": (OSError,)},
    {"give_up_on": (OSError,)},
    {"backoff": max},  # a function
]


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("wrong", WRONG + WRONG_CALLS, ids=repr)
def test_what_makes_no_sense_is_refused_at_once(app: RedisQ, wrong: dict[str, Any]) -> None:
    task = app.task("t")(lambda: None)
    with pytest.raises(InvalidOption):
        task.options(**wrong)
    with pytest.raises(InvalidOption):
        app.queue("q").options(**wrong)
    with pytest.raises(InvalidOption):
        task.options(job_id="j").options(**wrong)
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


def test_a_later_time_replaces_an_earlier_one() -> None:
    options = CallOptions().with_(delay=1.0).with_(at=NOON)
    assert (options.delay, options.at) == (0.0, NOON)
    assert options.begin == -int(NOON.timestamp() * 1000)
    assert options.with_(max_attempts=2).at == NOON
    assert options.with_(delay=2.0).begin == 2000


def test_a_soft_limit_is_held_against_the_limit_that_holds(app: RedisQ) -> None:
    with pytest.raises(InvalidOption, match="300"):
        app.task("t", soft_timeout=400.0)(lambda: None)
    app.task("t", soft_timeout=400.0, timeout=500.0)(lambda: None)


def test_a_task_says_when_its_calls_are_too_late(app: RedisQ) -> None:
    task = app.task("t", expires=60.0)(lambda: None)
    for one in (task, app.replace().tasks["t"]):
        assert one.target()[2].expires == 60.0
        assert one.options(job_id="j").target()[2].expires == 60.0
        assert one.options(expires=5.0).target()[2].expires == 5.0
        with pytest.raises(InvalidOption, match="delay"):
            one.options(delay=61.0)


def test_a_calls_options_go_over_those_of_its_task() -> None:
    run = RunOptions(max_attempts=7).over(RunOptions(max_attempts=1, timeout=2.0)).over(DEFAULTS)
    assert (run.max_attempts, run.timeout, run.result_ttl) == (7, 2.0, DEFAULTS.result_ttl)


def test_zero_is_something_that_was_said() -> None:
    run = RunOptions(result_ttl=0.0, backoff=0.0).over(DEFAULTS)
    assert (run.result_ttl, run.backoff) == (0.0, 0.0)
