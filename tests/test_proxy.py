"""The proxy does to a connection what it is told: tests that rely on it rely on this."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.proxy import Proxy


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0), socket_timeout=0.3, protocol=2) as client:
        yield client


def test_it_passes_on_what_is_said(client: redis.Redis) -> None:
    assert client.set("a", b"x" * 300_000)
    assert client.get("a") == b"x" * 300_000


def test_a_dropped_reply_comes_after_the_execution(client: redis.Redis, proxy: Proxy) -> None:
    client.ping()
    proxy.drop_reply = 1
    with pytest.raises(redis.ConnectionError):
        client.incr("a")
    assert client.get("a") == b"1"
    assert proxy.dropped == 1


def test_only_the_reply_that_is_meant_is_dropped(client: redis.Redis, proxy: Proxy) -> None:
    proxy.drop_reply, proxy.drop_when = 1, b"INCR"
    assert client.set("a", 1)
    with pytest.raises(redis.ConnectionError):
        client.incr("a")
    assert client.get("a") == b"2"


def test_a_black_hole_answers_nothing(client: redis.Redis, proxy: Proxy) -> None:
    client.ping()
    proxy.black_hole = True
    with pytest.raises(redis.TimeoutError):
        client.incr("a")
    proxy.black_hole = False
    assert client.get("a") is None


def test_a_reset_ends_a_connection(client: redis.Redis, proxy: Proxy) -> None:
    connection = client.connection_pool.get_connection()
    connection.send_command("PING")
    connection.read_response()
    proxy.reset()
    with pytest.raises(redis.ConnectionError):
        connection.read_response()
    client.connection_pool.release(connection)
    assert client.ping()


def test_slices_and_latency_change_nothing_but_the_time(client: redis.Redis, proxy: Proxy) -> None:
    proxy.slices, proxy.latency = True, 0.01
    assert client.set("a", b"x" * 300)
    assert client.get("a") == b"x" * 300
