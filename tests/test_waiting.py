"""Waiting for the ends of jobs: many at once, by coroutines and by threads, over whatever happens to the server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

import redisq
from redisq import InvalidOption, JobCancelled, JobFailed, JobNotFound, RedisQ, ServerUnavailable, WaitTimeout
from redisq.job import Job
from tests.proxy import Proxy
from tests.servers import Server
from tests.topologies import Cluster, queue_of_node
from tests.waiting import wait_until


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, patience=5.0)
    yield app
    app.close()


def end(app: RedisQ, count: int = 1, queue: str = "default") -> None:
    """Run that many jobs, each of which gives its own id."""
    for _ in range(count):
        delivery = app.queue(queue).claim(timeout=5.0)
        assert delivery is not None
        delivery.ack(delivery.job.id)


def is_awaited(client: redis.Redis, job: Job) -> bool:
    return bool(client.hexists(f"redisq:{{{job.queue}}}:job:{job.local_id}", "n"))


def listening(client: redis.Redis) -> int:
    return sum(one["cmd"] == "blmpop" for one in client.client_list())


# One


async def ended_async(app: RedisQ, act: Callable[[], object], job: Job) -> object:
    waiting = asyncio.ensure_future(job.wait_async(timeout=10.0))
    await asyncio.to_thread(act)
    return await waiting


def test_a_coroutine_gets_the_result_also_when_it_is_late(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    assert asyncio.run(ended_async(app, lambda: end(app), job)) == job.id
    assert asyncio.run(job.wait_async(timeout=0)) == job.id
    assert asyncio.run(job.wait_async(timeout=None)) == job.id


def test_what_failed_or_was_cancelled_raises(app: RedisQ) -> None:
    queue = app.queue("default")
    failed, cancelled = queue.options(max_attempts=1).enqueue("t"), queue.enqueue("t")

    def fail() -> None:
        delivery = queue.claim()
        assert delivery is not None
        delivery.nack("no")

    with pytest.raises(JobFailed, match="no"):
        asyncio.run(ended_async(app, fail, failed))
    with pytest.raises(JobCancelled):
        asyncio.run(ended_async(app, cancelled.cancel, cancelled))


@pytest.mark.parametrize("timeout", [0, 0.05, 0.3])
def test_a_timeout_is_precise(app: RedisQ, timeout: float) -> None:
    job = app.queue("default").enqueue("t")

    async def main() -> None:
        await job.refresh_async()  # connected
        began = time.monotonic()
        with pytest.raises(WaitTimeout):
            await job.wait_async(timeout)
        assert timeout <= time.monotonic() - began < timeout + 1.0

    asyncio.run(main())


def test_what_is_not_there_is_not_found(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    job.delete()
    with pytest.raises(JobNotFound):
        asyncio.run(job.wait_async(timeout=5.0))
    with pytest.raises(JobNotFound):
        asyncio.run(job.refresh_async())
    with pytest.raises(JobNotFound):
        redisq.wait([job])


def test_a_job_that_is_deleted_meanwhile_ends_the_waiting(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    with pytest.raises((JobNotFound, JobCancelled)):
        asyncio.run(ended_async(app, job.delete, job))


def test_refresh_is_the_job_as_it_is(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    job.cancel()
    assert asyncio.run(job.refresh_async()).status == "cancelled"


# Many


def test_a_thousand_coroutines_cost_two_connections(app: RedisQ, client: redis.Redis) -> None:
    names = ("a", "b", "c")
    jobs = [job for name in names for job in app.queue(name).enqueue_many("t", [((i,), {}) for i in range(334)])]

    async def main() -> list[object]:
        before = len(client.client_list())
        waiting = asyncio.gather(*(job.wait_async(timeout=60.0) for job in jobs))
        await asyncio.to_thread(wait_until, lambda: all(is_awaited(client, job) for job in jobs[::50]))
        assert len(client.client_list()) - before <= 2
        for name in names:
            await asyncio.to_thread(end, app, 334, name)
        return await waiting

    assert asyncio.run(main()) == [job.id for job in jobs]
    assert list(client.scan_iter("redisq:*done*")) == []


def test_wait_answers_in_order_what_has_ended(app: RedisQ) -> None:
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 4)
    end(app, 2)
    assert [job.id for job in redisq.wait(jobs, timeout=0.2)] == [job.id for job in jobs[:2]]
    assert [job.result for job in redisq.wait(reversed(jobs), first=True)] == [jobs[1].id, jobs[0].id]
    finisher = threading.Timer(0.1, end, (app, 2))
    finisher.start()
    assert [job.result for job in redisq.wait([*jobs, jobs[0]])] == [job.id for job in [*jobs, jobs[0]]]
    finisher.join()
    assert redisq.wait([]) == []


def test_one_that_is_gone_is_told_at_once(app: RedisQ) -> None:
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 2)
    jobs[1].delete()
    for ask in (redisq.wait, lambda jobs, timeout: list(redisq.as_completed(jobs, timeout))):
        began = time.monotonic()
        with pytest.raises(JobNotFound, match=jobs[1].id):
            ask(jobs, 30.0)
        assert time.monotonic() - began < 10.0


def test_as_completed_gives_each_as_it_ends(app: RedisQ) -> None:
    jobs = [app.queue(name).enqueue("t") for name in ("a", "b", "c")]
    order = []
    end(app, queue="b")
    for job in redisq.as_completed(jobs, timeout=10.0):
        order.append(job.queue)
        if len(order) < 3:
            end(app, queue={"b": "c", "c": "a"}[job.queue])
    assert order == ["b", "c", "a"]


def test_as_completed_says_when_the_time_is_up(app: RedisQ) -> None:
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 3)
    end(app)
    came = redisq.as_completed(jobs, timeout=0.2)
    assert next(came).id == jobs[0].id
    with pytest.raises(WaitTimeout, match="2 of 3"):
        next(came)


def test_coroutines_have_the_same_pair(app: RedisQ) -> None:
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 5)

    async def main() -> None:
        assert await redisq.wait_async(jobs, timeout=0) == []
        await asyncio.to_thread(end, app, 5)
        assert len(await redisq.wait_async(jobs)) == 5
        assert {job.id async for job in redisq.as_completed_async(jobs)} == {job.id for job in jobs}

    asyncio.run(main())


def test_who_stops_reading_leaves_nothing_open(app: RedisQ, client: redis.Redis) -> None:
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 3)
    end(app)
    came = redisq.as_completed(jobs)
    next(came)
    came.close()  # type: ignore[attr-defined]
    wait_until(lambda: listening(client) == 0)


def test_several_apps_at_once(app: RedisQ, redis_url: str) -> None:
    other = RedisQ(redis_url, namespace="other")
    jobs = [app.queue("default").enqueue("t"), other.queue("default").enqueue("t")]
    end(app)
    end(other)
    assert [job.result for job in redisq.wait(jobs, timeout=10.0)] == [job.id for job in jobs]
    other.close()


def test_waiting_again_and_again_leaves_one_mailbox_per_thread(app: RedisQ, client: redis.Redis) -> None:
    job = app.queue("default").enqueue("t")
    for _ in range(5):
        redisq.wait([job], timeout=0.01)
    names = client.hget(f"redisq:{{default}}:job:{job.local_id}", "n")
    assert names.count(b"@") == 1


def test_many_mailboxes_are_bounded_and_all_who_wait_learn(app: RedisQ, client: redis.Redis) -> None:
    job = app.queue("default").enqueue("t")

    async def main() -> None:
        waiting = asyncio.ensure_future(job.wait_async(timeout=30.0))
        await asyncio.to_thread(wait_until, lambda: is_awaited(client, job))
        for _ in range(100):  # each a loop of its own
            await asyncio.to_thread(lambda: threading_wait(job))
        assert len(client.hget(f"redisq:{{default}}:job:{job.local_id}", "n")) < 1100
        await asyncio.to_thread(end, app)
        assert await waiting == job.id

    asyncio.run(main())


def threading_wait(job: Job) -> None:
    thread = threading.Thread(target=redisq.wait, args=([job], 0.0))
    thread.start()
    thread.join()


def test_the_token_and_mailboxes_stand_together(app: RedisQ, client: redis.Redis) -> None:
    """Who waits for one job alone is woken as well, whoever came first."""
    jobs = app.queue("default").enqueue_many("t", [((), {})] * 2)

    async def main() -> None:
        for job, ways in ((jobs[0], "sa"), (jobs[1], "as")):
            waiting = []
            for i, way in enumerate(ways, 1):
                one = asyncio.to_thread(job.wait, 10.0) if way == "s" else job.wait_async(10.0)
                waiting.append(asyncio.ensure_future(one))
                key = f"redisq:{{default}}:job:{job.local_id}"
                await asyncio.to_thread(wait_until, lambda: len((client.hget(key, "n") or b"").split(b",")) == i)  # noqa: B023
            began = time.monotonic()
            await asyncio.to_thread(end, app)
            assert await asyncio.gather(*waiting) == [job.id] * 2
            assert time.monotonic() - began < 1.5

    asyncio.run(main())


# Bad input


def test_what_is_no_job_or_no_timeout_is_refused(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    with pytest.raises(InvalidOption, match="not a job"):
        redisq.wait(["x"])  # type: ignore[list-item]
    with pytest.raises(InvalidOption, match="timeout"):
        redisq.wait([job], timeout="soon")  # type: ignore[arg-type]


def test_a_coroutine_that_would_block_its_loop_is_told(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")

    async def main() -> None:
        with pytest.raises(InvalidOption, match="wait_async"):
            redisq.wait([job])
        with pytest.raises(InvalidOption, match="as_completed_async"):
            next(redisq.as_completed([job]))

    asyncio.run(main())


# When things go wrong


def test_a_cancelled_waiter_leaves_the_others(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")

    async def main() -> None:
        first, second = (asyncio.ensure_future(job.wait_async(timeout=30.0)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.to_thread(end, app)
        assert await second == job.id
        assert first.cancelled()

    asyncio.run(main())


def test_waiting_goes_on_over_lost_connections_and_answers(redis_url: str, client: redis.Redis) -> None:
    with Proxy(redis_url) as proxy:
        app, near = RedisQ(proxy.url), RedisQ(redis_url)
        jobs = app.queue("default").enqueue_many("t", [((), {})] * 20)

        async def main() -> list[object]:
            waiting = asyncio.gather(*(job.wait_async(timeout=60.0) for job in jobs))
            await asyncio.to_thread(wait_until, lambda: all(is_awaited(client, job) for job in jobs))
            await asyncio.to_thread(end, near, 5)
            proxy.reset()
            await asyncio.to_thread(end, near, 5)
            proxy.drop_when, proxy.drop_reply = b"BLMPOP", 1  # the ids in it are taken, and lost
            await asyncio.to_thread(end, near, 10)
            return await waiting

        assert asyncio.run(main()) == [job.id for job in jobs]
        near.close()
        app.close()


def test_a_server_that_is_away_is_waited_for(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, patience=0.2)
    job = app.queue("default").enqueue("t")

    async def main() -> None:
        waiting = asyncio.ensure_future(job.wait_async(timeout=60.0))
        with server.client() as client:
            await asyncio.to_thread(wait_until, lambda: is_awaited(client, job))
        server.kill()
        with pytest.raises(ServerUnavailable):
            await job.wait_async(timeout=2.0)
        await asyncio.to_thread(server.restart)
        await asyncio.to_thread(end, app)
        assert await waiting == job.id

    asyncio.run(main())
    server.kill()
    with pytest.raises(ServerUnavailable):
        redisq.wait([job], timeout=0.1)
    app.close()


def test_an_app_that_is_closed_goes_on_with_what_is_awaited(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")

    async def main() -> object:
        waiting = asyncio.ensure_future(job.wait_async(timeout=30.0))
        await job.refresh_async()
        app.close()
        await asyncio.to_thread(end, app)
        return await waiting

    assert asyncio.run(main()) == job.id


def test_a_child_waits_by_itself(app: RedisQ) -> None:
    job = app.queue("default").enqueue("t")
    redisq.wait([job], timeout=0.01)

    async def main() -> None:
        with pytest.raises(WaitTimeout):
            await job.wait_async(timeout=0.01)

    asyncio.run(main())
    pid = os.fork()
    if not pid:
        code = 1
        try:
            asyncio.run(main())
            code = 0 if redisq.wait([job], timeout=0.01) == [] else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    asyncio.run(main())


def test_a_cluster_is_waited_for_in_all_its_slots(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = Cluster("valkey", tmp_path_factory.mktemp("cluster"), replicas=False)
    cluster.start()
    try:
        app = RedisQ(cluster.url)
        names = [queue_of_node(node) for node in range(3)]

        async def main() -> list[object]:
            jobs = [await app.queue(name).enqueue_async("t") for name in names]
            waiting = asyncio.gather(*(job.wait_async(timeout=30.0) for job in jobs))
            for name in names:
                await asyncio.to_thread(end, app, 1, name)
            assert await waiting == [job.id for job in jobs]
            return jobs

        assert len(redisq.wait(asyncio.run(main()), timeout=10.0)) == 3
        app.close()
    finally:
        cluster.stop()
