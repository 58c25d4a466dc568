"""A queue of a limited length: who enqueues is refused, and nobody together gets more in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import redisq
from redisq import InvalidOption, Job, QueueFull, RedisQ
from tests.invariants import checked_app


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def test_what_does_not_fit_is_refused_and_not_there(app: RedisQ) -> None:
    queue = app.queue("q").options(max_length=2)
    made = [queue.enqueue("t", n) for n in range(2)]
    with pytest.raises(QueueFull, match=r"^2 jobs wait in the queue, as many as may$"):
        queue.options(job_id="third").enqueue("t", 3)
    with pytest.raises(redisq.JobNotFound):
        app.job("q.third")
    assert queue.options(job_id=None, max_length=3).enqueue("t", 3).status == "queued"
    assert app.queue("q").counts()["queued"] == 3
    assert [job.refresh().status for job in made] == ["queued", "queued"]


def test_a_job_that_is_claimed_leaves_room(app: RedisQ) -> None:
    queue = app.queue("q").options(max_length=1)
    queue.enqueue("t")
    delivery = app.queue("q").claim(0.0)
    assert delivery is not None
    queue.enqueue("t")
    with pytest.raises(QueueFull):
        queue.enqueue("t")
    delivery.release()


def test_of_many_those_that_fit_are_enqueued(app: RedisQ) -> None:
    with pytest.raises(QueueFull):
        app.queue("q").options(max_length=3).enqueue_many("t", [((n,), {}) for n in range(10)])
    assert [job.args for job in app.queue("q").jobs()] == [[2], [1], [0]]


def test_what_is_delayed_or_known_is_not_refused(app: RedisQ) -> None:
    queue = app.queue("q").options(max_length=1)
    first = queue.options(job_id="a").enqueue("t")
    again = queue.options(job_id="a").enqueue("t")
    assert (again.id, again.created) == (first.id, False)
    assert queue.options(delay=60.0).enqueue("t").status == "scheduled"


def test_a_task_has_it_for_its_calls_with_a_feed_and_unique_too(app: RedisQ) -> None:
    @app.task("t", queue="q", max_length=1, unique=True)
    def task(n: int) -> None: ...

    assert task.options(feed="f").enqueue(1).created
    assert not task.enqueue(1).created
    with pytest.raises(QueueFull):
        task.enqueue(2)
    with pytest.raises(QueueFull):
        asyncio.run(task.enqueue_async(3))
    delivery = app.queue("q").claim(0.0)
    assert delivery is not None
    delivery.ack()
    told = app.feed("f").claim(5.0)
    assert told is not None
    assert told.job.args is None
    told.ack()


def test_many_producers_get_no_more_in_together(app: RedisQ) -> None:
    queue = app.queue("q").options(max_length=50)

    def send(n: int) -> Job | None:
        try:
            return queue.enqueue("t", n)
        except QueueFull:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(send, range(200)))
    assert sum(job is not None for job in made) == 50
    assert app.queue("q").counts()["queued"] == 50


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "10"])
def test_what_is_no_length_is_an_error(app: RedisQ, wrong: object) -> None:
    with pytest.raises(InvalidOption, match=r"^max_length: a whole number from 1 on"):
        app.queue("q").options(max_length=wrong)
