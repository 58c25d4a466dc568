"""enqueued and assert_enqueued: what they find, and what they say."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from redisq import InvalidOption, RedisQ, Task
from redisq.testing import assert_enqueued, connected, enqueued, run_all


@pytest.fixture
def add(app: RedisQ) -> Task[..., Any]:
    return app.task("add")(lambda a, b=0: (a, b))


def test_what_was_enqueued_keeps_its_order_and_its_arguments_after_it_ran(app: RedisQ, add: Task[..., Any]) -> None:
    add.enqueue(1, b=2)
    add.options(result_ttl=0.0).enqueue(2)
    run_all(app)
    add.options(queue="low", delay=60.0).enqueue(3)
    app.queue("low").put({"a": 1})
    jobs = enqueued(app)
    assert [(job.args, job.kwargs) for job in jobs] == [([1], {"b": 2}), ([2], {}), ([3], {}), (None, None)]
    assert (jobs[0].result, jobs[0].status, jobs[2].status) == ([1, 2], "succeeded", "scheduled")
    assert jobs[3].payload == {"a": 1}


def test_finds_by_task_arguments_queue_and_count(app: RedisQ, add: Task[..., Any]) -> None:
    first = add.enqueue((1, 2), b=None)
    second = add.options(queue="low").enqueue(5)
    assert [job.id for job in assert_enqueued(add)] == [first.id, second.id]
    assert [job.id for job in assert_enqueued("add", args=[(1, 2)], kwargs={"b": None}, count=1)] == [first.id]
    assert [job.id for job in assert_enqueued(add, queue="low", app=app)] == [second.id]
    assert_enqueued(add, args=(mock.ANY,), count=2)
    assert_enqueued(add, queue="other", count=0)


def test_says_what_was_enqueued_instead(app: RedisQ, add: Task[..., Any]) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(add)
    assert str(caught.value) == "expected add(...) at least once, found 0\nnothing was enqueued"
    add.enqueue(1, b="x")
    app.queue("low").enqueue("mail", {"to": "a@b"})
    run_all(app, ["default"])
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(add, args=(2,), kwargs={"b": 3}, queue="low", count=2)
    assert str(caught.value) == (
        "expected add(2, b=3) in 'low' 2 times, found 0\n"
        "enqueued (2):\n"
        "  default: add(1, b='x') succeeded\n"
        "  low: mail({'to': 'a@b'}) queued"
    )
    add.enqueue_many([((n,), {}) for n in range(30)])
    with pytest.raises(AssertionError, match="and 12 more"):
        assert_enqueued(add, count=1)


def test_the_app_is_found_by_the_task(app: RedisQ, add: Task[..., Any], redis_url: str) -> None:
    other = RedisQ(redis_url, namespace="other")
    there = other.task("subtract")(lambda: None)
    with connected(other, redis_url):
        there.enqueue()
        assert_enqueued(there)
        assert_enqueued("subtract")
        with pytest.raises(InvalidOption, match="several apps are connected"):
            assert_enqueued("unknown")
    with pytest.raises(InvalidOption, match="no app that has it"):
        assert_enqueued(there)
