"""What goes along with an enqueue: the queue's name is made known, and made known again until the server has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

import redisq
from tests.servers import Server


def names(url: str) -> set[bytes]:
    with redis.Redis.from_url(url) as client:
        return set(client.smembers("redisq:queues"))


def test_a_queue_is_known_from_its_first_job_on(redis_url: str) -> None:
    app = redisq.RedisQ(redis_url)
    app.queue("q").put(1)
    assert names(redis_url) == {b"q"}
    assert app.queue_names() == {"q"}


def test_a_name_that_was_refused_is_sent_again(new_server: Callable[..., Server]) -> None:
    server = new_server(maxmemory="1")
    app = redisq.RedisQ(server.url)
    with pytest.raises(redisq.ServerRefused):
        app.queue("q").put(1)
    with server.client() as client:
        client.config_set("maxmemory", "0")
    app.queue("q").put(2)
    assert names(server.url) == {b"q"}


def test_a_name_that_was_lost_is_sent_again(new_server: Callable[..., Server]) -> None:
    server = new_server()
    app = redisq.RedisQ(server.url, patience=0.1)
    server.kill()
    with pytest.raises(redisq.ServerUnavailable):
        app.queue("q").put(1)
    server.start()
    app.queue("q").put(2)
    assert names(server.url) == {b"q"}
