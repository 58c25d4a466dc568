"""Enqueueing from coroutines: batches, each caller's own answer; connections, loops and processes that come and go."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from redisq import (
    DurabilityUnsupported,
    EnqueueUnknown,
    FeedFull,
    NotSerializable,
    RedisQ,
    ServerRefused,
    ServerUnavailable,
)
from redisq.settings import Retention
from tests.proxy import Proxy
from tests.servers import Server
from tests.waiting import wait_until


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, patience=5.0)
    yield app
    app.close()


def add(a: int, b: int = 0) -> int:
    return a + b


def test_every_way_to_enqueue_has_its_coroutine(app: RedisQ) -> None:
    task, queue = app.task("add", queue="low")(add), app.queue("high")

    async def main() -> None:
        job = await task.enqueue_async(2, b=3)
        assert (job.task, job.queue, job.args, job.kwargs, job.created) == ("add", "low", [2], {"b": 3}, True)
        named = await task.options(queue="high", job_id="x").enqueue_async(1)
        again = await task.options(queue="high", job_id="x").enqueue_async(1)
        assert (named.id, named.created, again.id, again.created) == ("high.x", True, "high.x", False)
        many = await task.enqueue_many_async([((1,), {}), ((2,), {}, {"job_id": "y"})])
        assert [job.id for job in many][1] == "low.y"
        assert len(await task.options(delay=5.0).enqueue_many_async([((1,), {})] * 700)) == 700
        assert (await queue.enqueue_async("add", 1)).args == [1]
        assert len(await queue.enqueue_many_async("add", [((1,), {})])) == 1
        assert (await queue.put_async({"a": 1})).payload == {"a": 1}
        assert (await queue.options(delay=5.0).put_async(1)).status == "scheduled"
        assert len(await queue.options(delay=5.0).enqueue_many_async("add", [((1,), {})] * 2)) == 2
        assert (await queue.options(delay=5.0).enqueue_async("add", 1)).status == "scheduled"
        told: list[int] = []
        assert await task.enqueue_bulk_async((((n,), {}) for n in range(300)), told.append) == 300
        assert await task.options(delay=5.0).enqueue_bulk_async([((1,), {})], told.append) == 1
        assert await queue.enqueue_bulk_async("add", [((1,), {})]) == 1
        assert await queue.options(delay=5.0).enqueue_bulk_async("add", [((1,), {})], told.append) == 1
        assert told == [250, 300, 1, 1]

    asyncio.run(main())
    assert app.queue("low").counts() == {"scheduled": 701, "queued": 303, "running": 0, "failed": 0}


def test_many_coroutines_cost_few_round_trips_and_no_thread(redis_url: str, client: redis.Redis) -> None:
    with Proxy(redis_url) as proxy:
        app = RedisQ(proxy.url)
        queue = app.queue("default")

        async def main() -> None:
            await queue.enqueue_async("t", -1)
            line = app.settings.loops.here().line(app.settings.server, app.settings.patience)
            before, threads = proxy.requests, line.detours
            jobs = await asyncio.gather(*(queue.enqueue_async("t", i) for i in range(500)))
            assert proxy.requests - before <= 8
            assert line.detours == threads == 1
            assert [job.args for job in jobs] == [[i] for i in range(500)]

        asyncio.run(main())
        app.close()
    assert client.llen("redisq:{default}:pending") == 501


def test_nothing_is_made_before_it_is_needed(app: RedisQ) -> None:
    threads = threading.active_count()
    app.queue("default").enqueue("t")
    app.close()
    assert threading.active_count() == threads
    assert app.settings.loops._by_loop == {}


def test_each_caller_gets_its_own_error(redis_url: str) -> None:
    app = RedisQ(redis_url, retention=Retention(feed=1))
    queue = app.queue("default")
    queue.options(feed="news").enqueue("t").cancel()

    async def main() -> None:
        await queue.enqueue_async("t")
        answers = await asyncio.gather(
            queue.enqueue_async("t", 1),
            queue.options(feed="news").enqueue_async("t", 2),
            queue.enqueue_async("t", object()),
            queue.options(durability="replica").enqueue_async("t", 3),
            queue.enqueue_async("t", 4),
            return_exceptions=True,
        )
        kinds = [type(answer).__name__ for answer in answers]
        assert kinds == ["Job", FeedFull.__name__, NotSerializable.__name__, DurabilityUnsupported.__name__, "Job"]

    asyncio.run(main())
    app.close()


def test_a_refusal_is_told_to_each(new_server: Callable[..., Server]) -> None:
    server = new_server()
    app = RedisQ(server.url)

    async def main() -> None:
        await app.queue("default").enqueue_async("t")
        with server.client() as client:
            client.config_set("maxmemory", 1)
        calls = (app.queue("default").enqueue_async("t") for _ in range(3))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ServerRefused] * 3
        assert len(set(map(id, answers))) == 3

    asyncio.run(main())
    app.close()


def test_a_server_that_is_killed_leaves_each_with_its_own_id(redis_url: str, client: redis.Redis) -> None:
    with Proxy(redis_url) as proxy:
        app = RedisQ(proxy.url, patience=0.3)
        queue = app.queue("default")

        async def main() -> None:
            await queue.enqueue_async("t")
            proxy.drop_when, proxy.drop_reply, proxy.on_drop = b"EVALSHA", 1000, bool
            calls = (queue.options(job_id=f"j{i}").enqueue_async("t") for i in range(50))
            answers = await asyncio.gather(*calls, return_exceptions=True)
            unknown = [answer for answer in answers if isinstance(answer, EnqueueUnknown)]
            assert [answer.job_ids for answer in unknown] == [(f"j{i}",) for i in range(50)]
            proxy.drop_reply = 0
            again = await asyncio.gather(
                *(queue.options(job_id=answer.job_id).enqueue_async("t") for answer in unknown)
            )
            assert [job.id for job in again] == [f"default.j{i}" for i in range(50)]

        asyncio.run(main())
        app.close()
    assert client.llen("redisq:{default}:pending") == 51


def test_what_never_reached_a_server_is_unavailable_and_not_unknown() -> None:
    app = RedisQ("redis://127.0.0.1:1/0", patience=0.1)
    with pytest.raises(ServerUnavailable):
        asyncio.run(app.queue("default").enqueue_async("t"))
    app.close()


def test_a_lost_reply_is_cleared_up_and_the_job_is_the_callers(redis_url: str, client: redis.Redis) -> None:
    with Proxy(redis_url) as proxy:
        app = RedisQ(proxy.url)
        queue = app.queue("default")

        async def main() -> None:
            await queue.enqueue_async("t")
            for _ in range(5):
                proxy.drop_when, proxy.drop_reply = b"EVALSHA", 1
                named, other = await asyncio.gather(
                    queue.options(job_id=f"n{time.time_ns()}").enqueue_async("t"), queue.enqueue_async("t")
                )
                assert named.created
                assert other.created

        asyncio.run(main())
        assert proxy.dropped == 5
        app.close()
    assert client.llen("redisq:{default}:pending") == 11


def test_a_server_that_is_killed_and_comes_back(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, patience=20.0)
    queue = app.queue("default")

    async def main() -> None:
        first = await asyncio.gather(*(queue.enqueue_async("t") for _ in range(200)))
        server.kill()
        second = [asyncio.ensure_future(queue.enqueue_async("t")) for _ in range(200)]
        await asyncio.to_thread(server.restart)
        jobs = [*first, *await asyncio.gather(*second)]
        assert len({job.id for job in jobs}) == 400
        assert all(job.created for job in jobs)

    asyncio.run(main())
    assert queue.counts()["queued"] == 400
    app.close()


def test_slices_large_bodies_and_an_empty_script_cache(redis_url: str, client: redis.Redis) -> None:
    with Proxy(redis_url) as proxy:
        app = RedisQ(proxy.url)
        queue = app.queue("default")

        async def main() -> None:
            await queue.options(job_id="big").put_async("x" * 3_000_000)
            assert len((await queue.options(job_id="big").put_async(0)).payload) == 3_000_000
            client.script_flush()
            assert (await queue.enqueue_async("t")).created
            proxy.slices = True
            assert len(await asyncio.gather(*(queue.enqueue_async("t") for _ in range(5)))) == 5

        asyncio.run(main())
        app.close()


def test_cancelled_ones_harm_nobody(app: RedisQ, client: redis.Redis) -> None:
    queue = app.queue("default")

    async def main() -> None:
        await queue.enqueue_async("t")
        calls = [asyncio.ensure_future(queue.enqueue_async("t", i)) for i in range(20)]
        await asyncio.sleep(0)  # the first is on its way, the others are collected
        for call in calls[::2]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(answer, BaseException) for answer in answers] == [True, False] * 10
        assert (await queue.enqueue_async("t")).created

    asyncio.run(main())
    assert 12 <= client.llen("redisq:{default}:pending") <= 13  # the one that was on its way exists


def test_two_loops_in_two_threads(app: RedisQ) -> None:
    queue, jobs = app.queue("default"), []

    async def main() -> None:
        for _ in range(20):
            jobs.extend(await asyncio.gather(*(queue.enqueue_async("t") for _ in range(10))))

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.id for job in jobs}) == queue.counts()["queued"] == 400


def test_a_loop_that_is_closed_with_calls_pending(redis_url: str) -> None:
    with Proxy(redis_url) as proxy:
        app = RedisQ(proxy.url, patience=0.5)
        queue = app.queue("default")

        async def main() -> None:
            await queue.enqueue_async("t")
            proxy.black_hole = True
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(queue.enqueue_async("t"), 0.1)

        asyncio.run(main())
        proxy.black_hole = False
        assert asyncio.run(queue.enqueue_async("t")).created
        assert len(app.settings.loops._by_loop) == 1
        app.close()
        gc.collect()


def test_an_app_that_is_closed_connects_anew(app: RedisQ, client: redis.Redis) -> None:
    queue = app.queue("default")

    async def main() -> None:
        before = len(client.client_list())
        await queue.enqueue_async("t")
        app.close()
        await asyncio.to_thread(wait_until, lambda: len(client.client_list()) == before)
        await queue.enqueue_async("t")

    asyncio.run(main())


def test_a_child_has_connections_of_its_own(app: RedisQ) -> None:
    queue = app.queue("default")

    async def main(count: int) -> None:
        for job in await asyncio.gather(*(queue.enqueue_async("t") for _ in range(count))):
            assert job.created

    asyncio.run(main(10))
    pid = os.fork()
    if not pid:
        code = 1
        try:
            asyncio.run(main(10))
            code = 0
        finally:
            os._exit(code)
    asyncio.run(main(10))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert queue.counts()["queued"] == 30


def test_durability_is_kept(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, durability="fsync")

    async def main() -> None:
        jobs = await asyncio.gather(*(app.queue("default").enqueue_async("t") for _ in range(20)))
        assert all(job.created for job in jobs)

    asyncio.run(main())
    server.restart()
    assert app.queue("default").counts()["queued"] == 20
    with server.client() as client:
        client.config_set("appendfsync", "everysec")
    app.close()
    with pytest.raises(DurabilityUnsupported):
        asyncio.run(app.queue("default").enqueue_async("t"))
    app.close()
