"""A server that is away, and away again: who lives keeps its jobs, however old its mark looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from redisq import RedisQ
from tests.test_claimer import BASE, LEASE, Worker, expire, put, status


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=LEASE)
    yield app
    app.close()


def seen(client: redis.Redis, ago: float) -> None:
    """As if somebody had kept house so many seconds ago, and nobody since."""
    seconds, micros = client.time()
    client.hset(f"{BASE}state", "kept", seconds * 1000 + micros // 1000 - int(ago * 1000))


def test_a_second_outage_does_not_make_a_mark_old(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    owner, other = Worker(app), Worker(app)
    owner.claim(1)
    expire(client, owner, ago=5.0, mark=4.1)  # marked, and a little later the server was away for four seconds
    seen(client, 4.0)
    other.keep()
    assert status(app, "a") == "running"
    assert owner.renew() == [1]
    seen(client, LEASE / 3 + 0.01)
    other.keep()
    assert status(app, "a") == "running"


def test_who_is_dead_is_taken_back_though_nobody_looks_often(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    dead, busy = Worker(app), Worker(app)
    dead.claim(1)
    expire(client, dead, ago=60.0)
    for _ in range(3):  # each time after a long job of its own
        seen(client, 10.0)
        busy.keep()
        assert status(app, "a") == "running"
        number, lease, mark = client.hget(f"{BASE}calls", dead.name).decode().split(":")
        client.hset(f"{BASE}calls", dead.name, f"{number}:{lease}:{int(mark) - 10_000}")  # ten seconds go by
    seen(client, 10.0)
    busy.keep()
    assert status(app, "a") == "queued"


def test_while_a_mark_stands_somebody_looks_again_soon(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    dead, other = Worker(app), Worker(app)
    dead.claim(1)
    expire(client, dead, ago=1.0)
    assert 0 < other.keep()[0] <= LEASE / 12 * 1000 + 1
