"""A server that forgets its last writes, as after a failover or a crash without an fsync: nothing is stuck by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from redisq import RedisQ
from redisq.claimed import Source, succeeded
from redisq.claimer import Claimer, registration, worker_name
from redisq.options import DEFAULTS


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url)
    yield app
    app.close()


@pytest.fixture
def claimer(app: RedisQ) -> Claimer:
    source, worker = Source("q", app.queue("q").base), worker_name()
    app.settings.server.call(registration(app.settings, [source], worker))
    return Claimer(app.settings, [source], worker)


def snapshot(client: redis.Redis) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


def forget(client: redis.Redis, kept: dict[bytes, bytes]) -> None:
    """Back to what was, and no connection survives."""
    client.flushall()
    for key, value in kept.items():
        client.restore(key, 0, value)
    client.client_kill_filter(_type="normal", skipme=True)


def test_a_job_whose_settlement_was_forgotten_runs_again(app: RedisQ, client: redis.Redis, claimer: Claimer) -> None:
    job = app.queue("q").enqueue("t")
    _, (claimed,) = claimer.exchange([], 1)
    before = snapshot(client)
    claimer.exchange([succeeded(claimed, b"1", DEFAULTS)], 1)
    assert job.refresh().status == "succeeded"
    forget(client, before)
    assert job.refresh().status == "running"
    _, (again,) = claimer.exchange([], 1)
    assert (again.id, again.delivery) == (claimed.id, claimed.delivery)
    answers, _ = claimer.exchange([succeeded(again, b"1", DEFAULTS)], 1)
    assert answers == [b"ok"]
    assert job.refresh().status == "succeeded"


def test_what_is_held_is_not_claimed_twice_after_a_loss(app: RedisQ, client: redis.Redis, claimer: Claimer) -> None:
    first, second = (app.queue("q").enqueue("t", n) for n in range(2))
    _, (held,) = claimer.exchange([], 1)
    client.client_kill_filter(_type="normal", skipme=True)
    _, jobs = claimer.exchange([], 5)
    assert [job.full_id for job in [held, *jobs]] == [first.id, second.id]


def test_a_job_whose_claim_was_forgotten_is_claimed_again(app: RedisQ, client: redis.Redis, claimer: Claimer) -> None:
    job = app.queue("q").enqueue("t")
    before = snapshot(client)
    _, (claimed,) = claimer.exchange([], 1)
    forget(client, before)
    answers, jobs = claimer.exchange([succeeded(claimed, b"1", DEFAULTS)], 1)
    assert answers == [b"lost"]
    assert [job.id for job in jobs] == [claimed.id]
    claimer.exchange([succeeded(jobs[0], b"2", DEFAULTS)])
    assert job.refresh().result == 2
