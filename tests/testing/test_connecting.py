"""An app on a test's server: all that came from it goes along, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import redis

from redisq import InvalidOption, InvalidURL, RedisQ, ServerUnavailable
from redisq.testing import assert_enqueued, connected, eager, enqueued, run_all
from tests.servers import Server, free_port


def nowhere() -> RedisQ:
    return RedisQ(f"redis://127.0.0.1:{free_port()}/0", patience=0.1)


def test_all_that_came_from_the_app_before_is_moved_and_moved_back(redis_url: str, client: redis.Redis) -> None:
    app = nowhere()

    @app.task("add")
    def add(a: int, b: int) -> int:
        return a + b

    low, later, feed = app.queue("low"), add.options(delay=60.0), app.feed("news")
    before = app.settings.server.url
    with connected(app, redis_url):
        low.put("payload")
        job = later.enqueue(1, 2)
        add.options(feed="news").enqueue(1, 2).cancel()
        asyncio.run(low.put_async("another"))
        assert job.refresh().status == "scheduled"
        assert low.counts()["queued"] == 2
        news = feed.claim(timeout=5.0)
        assert news is not None
        news.ack()
        assert client.smembers("redisq:queues") == {b"low", b"default"}
    assert app.settings.server.url == before
    with pytest.raises(ServerUnavailable):
        low.put("payload")


def test_the_names_of_queues_are_made_known_to_each_server(redis_url: str, new_server: Callable[..., Server]) -> None:
    app = nowhere()
    queue = app.queue("low")
    for url in (redis_url, new_server().url):
        with connected(app, url):
            queue.put(1)
            assert app.queue_names() == {"low"}


def test_within_one_event_loop_calls_go_to_the_server_of_the_moment(
    redis_url: str, new_server: Callable[..., Server]
) -> None:
    app = nowhere()

    async def main() -> list[int]:
        counts = []
        for url in (redis_url, new_server().url):
            with connected(app, url):
                await app.queue("low").put_async(1)
                counts.append(app.queue("low").counts()["queued"])
        return counts

    assert asyncio.run(main()) == [1, 1]


def test_blocks_may_be_nested(redis_url: str, new_server: Callable[..., Server]) -> None:
    app = nowhere()
    with connected(app, redis_url):
        app.queue("low").enqueue("add", 1)
        with connected(app, new_server().url):
            assert enqueued(app) == []
        assert_enqueued("add", args=(1,))


def test_an_app_that_is_not_connected_is_not_touched(redis_url: str) -> None:
    app = RedisQ(redis_url)
    app.queue("low").enqueue("add", 1, 2)
    for touch in (run_all, enqueued):
        with pytest.raises(InvalidOption, match="is not connected to a test's server"):
            touch(app)
    with pytest.raises(InvalidOption, match="is not connected"), eager(app):
        pass
    with pytest.raises(InvalidOption, match="no app that has it is connected"):
        assert_enqueued("add")
    assert app.queue("low").counts()["queued"] == 1
    app.close()


def test_what_is_no_url_leaves_the_app_as_it_was() -> None:
    app = nowhere()
    before = app.settings.server
    with pytest.raises(InvalidURL), connected(app, "http://h"):
        pass
    assert app.settings.server is before
