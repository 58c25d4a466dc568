"""What is done to many jobs goes in portions, ends, and touches no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

import redisq
from redisq import bulk

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[redisq.RedisQ]:
    app = redisq.RedisQ(redis_url)
    yield app
    app.close()


def fail(app: redisq.RedisQ, *tasks: str) -> None:
    queue = app.queue("q")
    for task in tasks:
        queue.options(max_attempts=1).enqueue(task)
    for _ in tasks:
        delivery = queue.claim()
        assert delivery is not None
        delivery.nack("no")


def revive(app: redisq.RedisQ, task: str | None = None) -> tuple[int, int]:
    portions = list(bulk.revive(app.settings, "q", task))
    assert all(portion.seen <= bulk.PORTION for portion in portions)
    return sum(portion.done for portion in portions), sum(portion.seen for portion in portions)


@pytest.mark.parametrize("portion", [1, 2, 3, 100])
@pytest.mark.parametrize("together", [False, True])
def test_dead_letters_of_a_task_among_others(
    app: redisq.RedisQ, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, portion: int, together: bool
) -> None:
    """Also when many have failed in one millisecond, and those that stay lie between."""
    monkeypatch.setattr(bulk, "PORTION", portion)
    fail(app, *"abbaababbb")
    if together:
        client.zadd(f"{BASE}dead", dict.fromkeys(client.zrange(f"{BASE}dead", 0, -1), 1000.0))
    assert revive(app, "never") == (0, 10)
    assert revive(app, "b") == (6, 10)
    assert [job.task for job in app.queue("q").jobs("failed")] == ["a"] * 4
    assert [job.task for job in app.queue("q").jobs("queued")] == ["b"] * 6
    assert revive(app) == (4, 4)
    assert revive(app) == (0, 0)


def test_what_fails_again_meanwhile_is_left(app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PORTION", 1)
    fail(app, *"aaaaa")
    stop = threading.Event()

    def keep_failing() -> None:
        while not stop.is_set():
            delivery = app.queue("q").claim(timeout=0.01)
            if delivery is not None:
                delivery.nack("again", retry_in=None)

    worker = threading.Thread(target=keep_failing)
    worker.start()
    try:
        assert revive(app) == (5, 5)
    finally:
        stop.set()
        worker.join()


def test_dead_letters_that_are_trimmed_meanwhile(
    app: redisq.RedisQ, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are found all the same: it goes by when they failed, not by their number."""
    monkeypatch.setattr(bulk, "PORTION", 2)
    fail(app, *"aaaabb")
    for score, local_id in enumerate(client.zrange(f"{BASE}dead", 0, -1)):
        client.zadd(f"{BASE}dead", {local_id: score + 1})
    portions = bulk.revive(app.settings, "q", "b")
    assert next(portions)[:2] == (0, 2)
    client.zremrangebyrank(f"{BASE}dead", 0, 1)
    assert sum(portion.done for portion in portions) == 2


def test_garbage_among_dead_letters(app: redisq.RedisQ, client: redis.Redis) -> None:
    fail(app, "a")
    client.set(f"{BASE}job:text", "no hash")
    client.zadd(f"{BASE}dead", {"ghost": 1, b"\xff\x00": 2})
    assert revive(app)[1] == 3
    assert app.queue("q").counts()["failed"] == 0
    assert app.queue("q").counts()["queued"] == 3


def test_nothing_happens_before_it_is_asked_for(app: redisq.RedisQ) -> None:
    app.queue("q").enqueue_many("t", [((), {})] * 1001)
    portions = bulk.purge(app.settings, "q")
    assert app.queue("q").counts()["queued"] == 1001
    assert next(portions)[:2] == (500, 500)
    assert app.queue("q").counts()["queued"] == 501
    assert [portion[:2] for portion in portions] == [(500, 500), (1, 1)]


def test_all_that_runs_is_asked_to_stop(app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PORTION", 2)
    queue = app.queue("q")
    for n in range(6):
        queue.put(n)
    held = [queue.claim() for _ in range(5)]
    assert [portion[:2] for portion in bulk.stop_running(app.settings, "q")] == [(2, 2), (2, 2), (1, 1)]
    for delivery in held:
        assert delivery is not None
        delivery.ack()
    assert {app.job(delivery.job.id).status for delivery in held if delivery} == {"cancelled"}
    assert queue.counts()["queued"] == 1
    assert [*bulk.stop_running(app.settings, "q")] == []


@pytest.mark.parametrize("do", [bulk.purge, bulk.revive, bulk.stop_running])
def test_a_name_that_is_none(app: redisq.RedisQ, do: object) -> None:
    assert callable(do)
    with pytest.raises(redisq.InvalidName):
        list(do(app.settings, "a.b"))


def test_a_purge_can_be_watched_and_stopped(app: redisq.RedisQ) -> None:
    queue = app.queue("q")
    queue.enqueue_many("t", [((n,), {}) for n in range(1500)])
    first = next(queue.purging())
    assert 0 < first.done < 1500
    assert queue.counts()["queued"] == 1500 - first.done
    assert queue.purge() == 1500 - first.done
