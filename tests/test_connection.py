"""Lost replies, dead connections, servers that refuse: what is sent again, and what is said when it does not help."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest
import redis

from redisq import EnqueueUnknown, JobNotFound, RedisQ, RedisQError, ServerRefused, ServerUnavailable
from redisq.scripts import CLAIM
from tests.invariants import check, checked_app
from tests.proxy import Proxy
from tests.servers import Server, free_port
from tests.waiting import wait_until

LEASE = 1.2
BASE = "redisq:{q}:"


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def app(proxy: Proxy, redis_url: str) -> Iterator[RedisQ]:
    """An app that reaches its server through the proxy."""
    with checked_app(redis_url), redis.Redis.from_url(redis_url) as client:
        app = RedisQ(proxy.url, lease=LEASE, patience=3.0)
        yield app
        proxy.drop_reply, proxy.black_hole = 0, False
        app.close()
        check(client)


def ids(app: RedisQ) -> list[str]:
    return [job.local_id for job in app.queue("q").jobs("queued")]


# E1


@pytest.mark.parametrize("task", ["t", "i", "e"])
@pytest.mark.parametrize("job_id", [None, "mine"])
def test_an_enqueue_whose_reply_was_lost_makes_one_job_and_answers_it(
    app: RedisQ, proxy: Proxy, task: str, job_id: str | None
) -> None:
    queue = app.queue("q").options(job_id=job_id) if job_id else app.queue("q")
    proxy.drop_reply, proxy.drop_when = 2, b"EVALSHA"
    job = queue.enqueue(task, 1)
    assert proxy.dropped == 2
    assert job.created
    assert ids(app) == [job.local_id]
    if job_id:
        assert not queue.enqueue(task, 1).created


def test_a_bulk_whose_replies_were_lost_makes_each_job_once(app: RedisQ, proxy: Proxy) -> None:
    proxy.drop_reply, proxy.drop_when = 2, b"EVALSHA"
    calls = [((n,), {}, {"job_id": f"j{n}"} if n % 2 else {}) for n in range(400)]
    jobs = app.queue("q").enqueue_many("t", calls)
    assert all(job.created for job in jobs)
    assert app.queue("q").counts()["queued"] == 400
    assert [job.args for job in jobs] == [[n] for n in range(400)]


def test_a_bulk_that_died_half_way_is_sent_again_without_harm(app: RedisQ, proxy: Proxy) -> None:
    calls = [((n,), {}, {"job_id": f"j{n}"}) for n in range(600)]

    def half() -> Iterator[object]:
        yield from calls[:400]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        app.queue("q").enqueue_many("t", half())
    assert app.queue("q").counts()["queued"] in (0, 250, 400)
    jobs = app.queue("q").enqueue_many("t", calls)
    assert {job.created for job in jobs} <= {True, False}
    assert app.queue("q").counts()["queued"] == 600


def test_an_enqueue_of_unknown_outcome_says_under_which_id_to_ask(proxy: Proxy, redis_url: str) -> None:
    app = RedisQ(proxy.url, patience=0.4)
    app.queue("q").put("warm")
    proxy.drop_reply, proxy.drop_when = 10_000, b"EVALSHA"
    with pytest.raises(EnqueueUnknown) as caught:
        app.queue("q").enqueue("t", 1)
    with pytest.raises(EnqueueUnknown) as named:
        app.queue("q").options(job_id="mine").enqueue("t", 2)
    with pytest.raises(EnqueueUnknown) as many:
        app.queue("q").enqueue_many("t", [((), {}, {"job_id": f"j{n}"}) for n in range(3)])
    proxy.drop_reply = 0
    assert named.value.job_id == "mine"
    assert many.value.job_ids == ("j0", "j1", "j2")
    assert isinstance(caught.value.__cause__, (redis.RedisError, OSError))
    again = app.queue("q").options(job_id=caught.value.job_id).enqueue("t", 1)
    assert not again.created
    assert app.queue("q").counts()["queued"] == 6
    app.close()


def test_what_never_reached_the_server_is_unavailable_and_not_unknown(redis_url: str) -> None:
    app = RedisQ(f"redis://127.0.0.1:{free_port()}/0", patience=0.2)
    began = time.monotonic()
    with pytest.raises(ServerUnavailable):
        app.queue("q").put(1)
    assert time.monotonic() - began < 1.5


def test_a_refusal_after_a_lost_reply_is_unknown(new_server: Callable[..., Server]) -> None:
    """The first try may have been executed: that the second one was refused says nothing about it."""
    server = new_server()
    with Proxy(server.url) as proxy, server.client() as client:
        app = RedisQ(proxy.url, patience=2.0)
        app.queue("q").put("warm")
        proxy.drop_reply, proxy.drop_when = 1, b"EVALSHA"
        proxy.on_drop = lambda: client.config_set("maxmemory", 1)
        with pytest.raises(EnqueueUnknown) as caught:
            app.queue("q").options(job_id="mine").put(1)
        client.config_set("maxmemory", 0)
        assert not app.queue("q").options(job_id=caught.value.job_id).put(1).created
        assert app.queue("q").counts()["queued"] == 2
        app.close()


# C1, A2


def test_a_claim_whose_reply_was_lost_is_adopted_and_no_crash(app: RedisQ, proxy: Proxy, client: redis.Redis) -> None:
    job = app.queue("q").put("payload")
    proxy.drop_reply, proxy.drop_when = 1, CLAIM.sha.encode()
    began = time.monotonic()
    delivery = app.queue("q").claim(5.0)
    assert proxy.dropped == 1
    assert time.monotonic() - began < 2.0
    assert delivery.job.id == job.id
    assert client.hmget(f"{BASE}job:{job.local_id}", "d", "k", "a", "q") == [b"1", None, None, None]
    delivery.ack()


@pytest.mark.parametrize("way", ["ack", "nack", "release", "dead"])
def test_a_settle_whose_reply_was_lost_is_done_once(app: RedisQ, proxy: Proxy, way: str) -> None:
    job = app.queue("q").options(max_attempts=1 if way == "dead" else 5).put(1)
    delivery = app.queue("q").claim()
    proxy.drop_reply, proxy.drop_when = 2, b"EVALSHA"
    {
        "ack": lambda: delivery.ack("result"),
        "nack": lambda: delivery.nack("no", retry_in=60.0),
        "release": delivery.release,
        "dead": lambda: delivery.nack("no"),
    }[way]()
    assert proxy.dropped == 2
    seen = job.refresh()
    expected = {"ack": "succeeded", "nack": "scheduled", "release": "queued", "dead": "failed"}
    assert (seen.status, seen.attempt) == (expected[way], 2 if way == "nack" else 1)


@pytest.mark.parametrize("act", ["cancel", "retry", "delete", "purge", "pause"])
def test_acting_twice_because_a_reply_was_lost_does_no_harm(app: RedisQ, proxy: Proxy, act: str) -> None:
    job = app.queue("q").options(max_attempts=1).put(1)
    if act == "retry":
        app.queue("q").claim().nack("no")
    proxy.drop_reply, proxy.drop_when = 1, b"EVALSHA"
    if act == "cancel":
        assert job.cancel().status == "cancelled"
    elif act == "retry":
        assert job.retry().status == "queued"
        assert app.queue("q").counts()["queued"] == 1
    elif act == "delete":
        with contextlib.suppress(JobNotFound):  # the second call found nothing any more
            job.delete()
        with pytest.raises(JobNotFound):
            job.refresh()
    elif act == "purge":
        assert app.queue("q").purge() in (0, 1)
        assert job.refresh().status == "cancelled"
    else:
        app.queue("q").pause()
        assert app.queue("q").claim(0.1) is None
    assert proxy.dropped == 1


def test_a_notice_that_was_acknowledged_twice_is_gone_once(app: RedisQ, proxy: Proxy) -> None:
    app.queue("q").options(feed="news").put(1)
    app.queue("q").purge()
    entry = app.feed("news").claim(5.0)
    proxy.drop_reply, proxy.drop_when = 1, b"EVALSHA"
    entry.ack()
    assert proxy.dropped == 1
    assert app.feed("news").claim(0.1) is None


def test_waiting_goes_on_over_lost_connections(app: RedisQ, proxy: Proxy) -> None:
    job = app.queue("q").put(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.wait, 10.0)
        for _ in range(3):
            before = proxy.requests
            wait_until(lambda before=before: proxy.requests > before)
            proxy.reset()
        delivery = app.queue("q").claim()
        delivery.ack("done")
        assert waiting.result() == "done"


# Bad lines


def test_everything_works_through_slices_and_latency(app: RedisQ, proxy: Proxy) -> None:
    proxy.slices, proxy.latency = True, 0.005
    jobs = app.queue("q").enqueue_many("t", [((n, "x" * 50), {}) for n in range(20)])
    for _ in jobs:
        app.queue("q").claim().ack("y" * 50)
    assert [job.wait(1.0) for job in jobs] == ["y" * 50] * 20


def test_resets_at_any_moment_lose_and_double_nothing(app: RedisQ, proxy: Proxy) -> None:
    app = app.replace(patience=60.0)
    stop = threading.Event()

    def disturb() -> None:
        # now and then a longer pause: on a busy machine it takes some time until scripts are loaded again
        for pause in cycle([*[0.03] * 5, 0.3]):
            if stop.wait(pause):
                return
            proxy.reset()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    done: list[int] = []
    try:
        sent = [app.queue("q").options(job_id=f"j{n}").enqueue("t", n) for n in range(200)]
        while len(done) < 200:
            delivery = app.queue("q").claim(5.0)
            assert delivery is not None
            delivery.ack(delivery.job.args[0])
            done.append(delivery.job.args[0])
    finally:
        stop.set()
        disturber.join()
        app.close()
    assert sorted(done) == list(range(200))
    assert all(job.created for job in sent)


def test_a_black_hole_is_noticed_and_what_went_into_it_comes_back(redis_url: str) -> None:
    with Proxy(redis_url) as proxy:
        app, other = RedisQ(proxy.url, lease=LEASE, patience=1.0), RedisQ(redis_url, lease=LEASE)
        other.queue("q").options(job_id="first").put(1)
        app.queue("q").claim().ack()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(app.queue("q").claim, 2.0)
            wait_until(lambda: b"cmd=blpop" in other.settings.server.call([("CLIENT", "LIST")])[0])
            proxy.black_hole = True  # it waits at the server, and will be handed the job
            job = other.queue("q").put("swallowed")
            wait_until(lambda: job.refresh().status == "running")
            began = time.monotonic()
            delivery = other.queue("q").claim(10.0)
            assert delivery.job.id == job.id
            assert time.monotonic() - began < 1.5 * LEASE + 1.0
            delivery.ack("once")
            proxy.black_hole = False
            proxy.reset()
            with contextlib.suppress(ServerUnavailable):
                assert waiting.result(20.0) is None
        assert job.refresh().result == "once"
        app.close()
        other.close()


# Servers that refuse


def test_an_emptied_script_cache_is_filled_again(redis_url: str, client: redis.Redis) -> None:
    with checked_app(redis_url) as app:
        for _ in range(2):
            job = app.queue("q").put(1)
            client.script_flush()
            delivery = app.queue("q").claim()
            client.script_flush()
            delivery.ack("done")
            client.script_flush()
            assert job.wait(1.0) == "done"
            client.script_flush()
            assert app.queue("q").counts()["queued"] == 0
            client.script_flush()


def test_killed_clients_connect_again(redis_url: str, client: redis.Redis) -> None:
    with checked_app(redis_url) as app:
        job = app.queue("q").put(1)
        client.client_kill_filter(_type="normal", skipme=True)
        delivery = app.queue("q").claim()
        client.client_kill_filter(_type="normal", skipme=True)
        delivery.ack("done")
        client.client_kill_filter(_type="normal", skipme=True)
        assert job.wait(1.0) == "done"


def test_out_of_memory_refuses_enqueues_and_drains(new_server: Callable[..., Server]) -> None:
    server = new_server()
    app = RedisQ(server.url, lease=LEASE, patience=1.0)
    queue = app.queue("q")
    jobs = queue.enqueue_many("t", [(("x" * 1000,), {}) for _ in range(300)])
    queue.options(delay=0.01, job_id="later").put(1)
    with server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 1_000)
        for refused in (lambda: queue.put(2), lambda: queue.enqueue_many("t", [((), {})] * 3)):
            with pytest.raises(ServerRefused) as caught:
                refused()
            assert isinstance(caught.value.__cause__, redis.ResponseError)
        held = 0
        client.config_set("maxmemory", 1)
        while (delivery := queue.claim(0.3)) is not None:
            held += 1
            if held == 1:
                delivery.release()
            elif held == 2:
                delivery.nack("once more", retry_in=0.0)
            else:
                delivery.ack("done")
        assert held == 303
        assert queue.counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}
        assert {job.refresh().status for job in jobs} == {"succeeded"}
        jobs[0].delete()
        queue.pause()
        queue.resume()
        client.config_set("maxmemory", 0)
        assert queue.put(3).created
        check(client)
    app.close()


def test_a_server_that_loads_is_waited_for_and_nothing_is_lost(new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, lease=LEASE, patience=20.0)
    job = app.queue("q").put(1)
    delivery = app.queue("q").claim()
    server.kill()
    with ThreadPoolExecutor(1) as pool:
        settled = pool.submit(delivery.ack, "done")
        enqueued = pool.submit(app.queue("q").put, 2)
        server.start()
        settled.result()
        assert enqueued.result().created
    assert job.wait(1.0) == "done"
    app.close()


def test_a_replica_refuses_and_nothing_is_half_written(new_server: Callable[..., Server]) -> None:
    server = new_server()
    app = RedisQ(server.url, patience=0.3)
    with server.client() as client:
        client.replicaof("127.0.0.1", free_port())
        with pytest.raises((ServerRefused, ServerUnavailable)):
            app.queue("q").put(1)
        client.replicaof("NO", "ONE")
        assert not client.keys("*job*")
    assert app.queue("q").put(1).created
    app.close()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_told_and_not_shown(new_server: Callable[..., Server], password: str) -> None:
    server = new_server(requirepass="right")
    login = f":{password}@" if password else ""
    app = RedisQ(f"redis://{login}127.0.0.1:{server.port}/0", patience=0.3)
    with pytest.raises(RedisQError) as caught:
        app.queue("q").put(1)
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    assert RedisQ(server.url).queue("q").put(1).created


def test_a_busy_server_is_waited_for_or_refuses(new_server: Callable[..., Server]) -> None:
    server = new_server(busy_reply_threshold=50)
    app = RedisQ(server.url, patience=0.5)
    app.queue("q").put("warm")
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(client.eval, "while true do end", 0)
        with server.client() as second:
            wait_until(lambda: is_busy(second))
            with pytest.raises((ServerRefused, ServerUnavailable)):
                app.queue("q").options(job_id="a").put(1)
            second.execute_command("SCRIPT", "KILL")
        with pytest.raises(redis.ResponseError):
            busy.result()
    assert app.queue("q").options(job_id="a").put(1).created
    app.close()


def is_busy(client: redis.Redis) -> bool:
    try:
        client.get("x")
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False


def test_a_refusal_while_connecting_is_an_error_of_ours(redis_url: str) -> None:
    app = RedisQ(redis_url.removesuffix("/0") + "/99")
    with pytest.raises(ServerRefused, match="index is out of range"):
        app.queue("q").put(1)
    with pytest.raises((ServerRefused, ServerUnavailable)):
        app.queue("q").claim(timeout=0.1)
    app.close()


# What is closed


def test_a_connection_that_a_thread_uses_while_the_app_is_closed_is_closed_with_it(redis_url: str) -> None:
    app = RedisQ(redis_url)
    endpoint = app.settings.server.endpoint()
    closes, connection = endpoint.closes, endpoint.acquire()
    app.close()
    endpoint.release(connection, closes)
    assert connection._sock is None
    assert not endpoint._idle
    app.queue("q").counts()  # it can be used again
    assert len(endpoint._idle) == 1
    app.close()
    assert not endpoint._idle
