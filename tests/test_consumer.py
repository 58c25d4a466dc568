"""Claiming through the library: threads, forks, leases that are kept, and deliveries that nobody has any more."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import pytest
import redis

from redisq import Delivery, LeaseLost, RedisQ, RedisQError
from tests.invariants import checked_app
from tests.waiting import wait_until

LEASE = 0.4
BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url, lease=LEASE) as app:
        yield app


@pytest.fixture
def other(redis_url: str) -> Iterator[RedisQ]:
    """Another process, as far as Redis can tell."""
    app = RedisQ(redis_url, lease=LEASE)
    yield app
    app.close()


def claim(app: RedisQ, timeout: float | None = 5.0) -> Delivery:
    delivery = app.queue("q").claim(timeout)
    assert delivery is not None
    return delivery


def put(app: RedisQ, *payloads: Any) -> list[str]:
    return [app.queue("q").put(payload).id for payload in payloads]


# Waiting


@pytest.mark.parametrize("timeout", [-5.0, 0.0, 0.001, 0.3, 2.2])
def test_nothing_comes_for_as_long_as_was_asked(app: RedisQ, timeout: float) -> None:
    app.queue("q").claim(0.0)
    began = time.monotonic()
    assert app.queue("q").claim(timeout) is None
    assert max(0.0, timeout) <= time.monotonic() - began < max(0.0, timeout) + 0.5


def test_who_waits_is_handed_a_job_at_once(app: RedisQ) -> None:
    app.queue("q").claim(0.0)
    times: list[float] = []
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: (claim(app, None).ack(), time.monotonic()))
            wait_until(lambda: b"cmd=blpop" in app.settings.server.call([("CLIENT", "LIST")])[0])
            sent = time.monotonic()
            put(app, 1)
            times.append(waiting.result()[1] - sent)
    assert min(times) < 0.1


def test_waiting_costs_few_calls(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").claim(0.0)
    client.config_resetstat()
    app.queue("q").claim(1.5)
    calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls < 40


def test_a_crowd_that_waits_shares_what_comes(app: RedisQ) -> None:
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(lambda: claim(app, 20.0).ack()) for _ in range(8)]
        wait_until(lambda: app.settings.server.call([("CLIENT", "LIST")])[0].count(b"cmd=blpop") >= 4)
        began = time.monotonic()
        app.queue("q").enqueue_many("t", [((n,), {}) for n in range(8)])
        for done in waiting:
            done.result()
    assert time.monotonic() - began < 2.0
    assert len(list(app.queue("q").jobs("succeeded"))) == 8


# Threads


def test_several_threads_claim_each_job_once(app: RedisQ) -> None:
    count = 400
    app.queue("q").enqueue_many("t", [((n,), {}) for n in range(count)])
    seen: list[int] = []

    def work() -> None:
        while (delivery := app.queue("q").claim(0.0)) is not None:
            seen.append(delivery.job.args[0])
            delivery.ack(delivery.job.args[0])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(count))


def test_deliveries_are_settled_by_other_threads_while_more_are_claimed(app: RedisQ) -> None:
    count = 300
    app.queue("q").enqueue_many("t", [((n,), {}) for n in range(count)])
    errors: list[BaseException] = []

    def settle(delivery: Delivery) -> None:
        try:
            delivery.ack()
        except BaseException as error:
            errors.append(error)

    with ThreadPoolExecutor(4) as pool:
        while (delivery := app.queue("q").claim(0.2)) is not None:
            pool.submit(settle, delivery)
            del delivery
    assert not errors
    assert len(list(app.queue("q").jobs("succeeded", limit=1000))) == count
    assert {job.token & 0xFFFFF for job in app.queue("q").jobs("succeeded", limit=1000)} == {1}


def test_a_thread_may_hold_several_deliveries(app: RedisQ) -> None:
    ids = put(app, *range(5))
    held = [claim(app) for _ in range(5)]
    assert [delivery.job.id for delivery in held] == ids
    for delivery in reversed(held):
        delivery.ack()


def test_the_queues_of_one_thread_do_not_mix(app: RedisQ) -> None:
    app.queue("p").put("p")
    put(app, "q")
    assert claim(app).job.payload == "q"
    assert app.queue("p").claim().job.payload == "p"


# Leases


def test_an_open_delivery_is_kept_for_many_leases(app: RedisQ, other: RedisQ) -> None:
    put(app, 1)
    delivery = claim(app)
    until = time.monotonic() + 4 * LEASE
    while time.monotonic() < until:
        assert other.queue("q").claim(0.1) is None
    delivery.ack("mine")
    assert delivery.job.refresh().result == "mine"
    assert delivery.job.refresh().token == delivery.job.token


def test_a_delivery_held_by_another_thread_is_kept_too(app: RedisQ, other: RedisQ) -> None:
    put(app, 1)
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(claim, app).result()
    gc.collect()
    until = time.monotonic() + 3 * LEASE
    while time.monotonic() < until:
        assert other.queue("q").claim(0.1) is None
    delivery.ack()


def test_who_waits_for_long_is_not_taken_for_dead(app: RedisQ, other: RedisQ) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: claim(app, 20.0).ack("still here"))
        until = time.monotonic() + 3 * LEASE
        while time.monotonic() < until:
            other.queue("p").claim(0.05)
        (job_id,) = put(app, 1)
        waiting.result()
    assert app.job(job_id).result == "still here"


def test_after_a_long_rest_a_thread_claims_again(app: RedisQ, other: RedisQ, client: redis.Redis) -> None:
    put(app, 1)
    claim(app).ack()
    wait_until(lambda: other.queue("q").claim(0.05) is None and client.zcard(f"{BASE}workers") == 1)
    put(app, 2)
    with claim(app) as delivery:
        assert delivery.job.payload == 2


def test_a_closed_app_loses_its_deliveries_when_the_lease_ends(app: RedisQ, other: RedisQ) -> None:
    put(app, 1)
    delivery = claim(app)
    app.close()
    began = time.monotonic()
    again = claim(other)
    assert 0.5 * LEASE < time.monotonic() - began < 1.5 * LEASE + 0.6
    with pytest.raises(LeaseLost):
        delivery.ack()
    again.ack("theirs")


def test_a_closed_app_can_be_used_again(app: RedisQ) -> None:
    put(app, 1, 2)
    claim(app).ack()
    app.close()
    app.close()
    claim(app).ack()
    assert app.queue("q").counts()["queued"] == 0


def lose(client: redis.Redis) -> None:
    """Every worker of the queue is taken for dead at the next housekeeping."""
    for worker in client.zrange(f"{BASE}workers", 0, -1):
        client.zadd(f"{BASE}workers", {worker: 1})
        client.hset(f"{BASE}calls", worker, b"0:1:1")
    client.hdel(f"{BASE}state", "kept")


def test_who_lost_the_lease_is_a_new_worker(app: RedisQ, client: redis.Redis) -> None:
    put(app, 1, 2)
    first = claim(app)
    lose(client)
    second = claim(app)
    assert (second.job.id, second.job.payload) == (first.job.id, 1)
    assert second.job.token > first.job.token
    with pytest.raises(LeaseLost):
        first.ack("old")
    second.ack("new")
    assert second.job.refresh().result == "new"


# Abandoned


def test_a_delivery_that_nobody_has_any_more_comes_back_at_the_next_claim(app: RedisQ) -> None:
    (job_id,) = put(app, 1)
    delivery = claim(app)
    del delivery
    gc.collect()
    again = claim(app, 2.0)
    assert (again.job.id, again.job.attempt) == (job_id, 1)
    again.ack()


def test_a_delivery_that_nobody_has_any_more_comes_back_to_others(app: RedisQ, other: RedisQ) -> None:
    put(app, 1)
    delivery = claim(app)
    del delivery
    gc.collect()
    began = time.monotonic()
    claim(other).ack()
    assert time.monotonic() - began < 1.5 * LEASE + 0.6


@pytest.mark.parametrize("same_job", [True, False])
def test_a_lost_delivery_that_is_still_around_hides_no_abandoned_one(
    app: RedisQ, client: redis.Redis, same_job: bool
) -> None:
    put(app, 1, 2)
    lost = claim(app)
    lose(client)
    current = claim(app)
    assert current.job.payload == 1
    if not same_job:
        current.ack()
        current = claim(app)
        assert current.job.payload == 2
    token = current.job.token
    del current
    gc.collect()
    again = claim(app)
    assert again.job.payload == (1 if same_job else 2)
    assert again.job.token > token
    assert lost is not None
    again.ack()


# Forks


def in_child(work: Callable[[], Any]) -> int:
    """Exit code of a forked child: 0 if `work` did not raise within ten seconds."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        threading.Timer(10.0, lambda: os._exit(9)).start()
        work()
        code = 0
    finally:
        os._exit(code)


def test_an_app_works_on_both_sides_of_a_fork(app: RedisQ) -> None:
    put(app, *range(4))
    mine = claim(app)

    def work() -> None:
        claim(app).ack("child")
        put(app, "from the child")
        app.job(mine.job.id).refresh()

    assert in_child(work) == 0
    mine.ack("parent")
    assert sorted(job.result for job in app.queue("q").jobs("succeeded")) == ["child", "parent"]
    assert claim(app).job.payload == 2
    assert app.queue("q").counts()["queued"] == 2


def test_parent_and_child_are_two_workers(app: RedisQ, client: redis.Redis) -> None:
    put(app, 1, 2)
    mine = claim(app)
    assert in_child(lambda: claim(app).ack()) == 0
    assert client.zcard(f"{BASE}workers") == 2
    mine.ack()


def test_forks_while_threads_claim_and_enqueue(app: RedisQ) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            put(app, 1)
            claim(app).ack()

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        codes = [in_child(lambda: (put(app, 2), claim(app).ack())) for _ in range(15)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 15


# consume


class Enough(BaseException):
    """Ends a loop that has no end."""


def test_consume_acks_nacks_and_survives(app: RedisQ, caplog: pytest.LogCaptureFixture) -> None:
    ids = [app.queue("q").options(max_attempts=1).put(payload).id for payload in ("good", "bad", "good", "end")]
    seen: list[str] = []

    def handle(payload: str) -> None:
        seen.append(payload)
        if payload == "bad":
            raise ValueError("no")
        if payload == "end":
            raise Enough

    with caplog.at_level(logging.CRITICAL), pytest.raises(Enough):
        app.queue("q").consume(handle)
    assert seen == ["good", "bad", "good", "end"]
    assert [app.job(job_id).status for job_id in ids] == ["succeeded", "failed", "succeeded", "queued"]


def test_consume_hands_a_tasks_job_its_arguments(app: RedisQ) -> None:
    app.queue("q").enqueue("t", 1, b=2)

    def handle(a: int, b: int) -> None:
        assert (a, b) == (1, 2)
        raise Enough

    with pytest.raises(Enough):
        app.queue("q").consume(handle)


def test_consume_goes_on_after_a_lost_lease(app: RedisQ, client: redis.Redis) -> None:
    put(app, "slow", "end")
    seen: list[str] = []

    def handle(payload: str) -> None:
        seen.append(payload)
        if payload == "slow" and len(seen) == 1:
            client.delete(*client.keys(f"{BASE}claimed:*"), f"{BASE}workers", f"{BASE}calls", f"{BASE}job:{job}")
        if payload == "end":
            raise Enough

    job = list(app.queue("q").jobs("queued"))[-1].local_id
    with pytest.raises(Enough):
        app.queue("q").consume(handle)
    assert seen == ["slow", "end"]


# Trouble


@pytest.mark.parametrize("key", ["workers", "calls", "pending", "wake", "state", "scheduled", "suspects", "dead"])
def test_a_key_of_a_wrong_type_ends_no_later_than_asked(redis_url: str, client: redis.Redis, key: str) -> None:
    app = RedisQ(redis_url, lease=LEASE, patience=0.3)
    client.set(f"{BASE}{key}", "broken")
    began = time.monotonic()
    with contextlib.suppress(RedisQError):
        assert app.queue("q").claim(0.5) is None
    assert time.monotonic() - began < 2.5
    client.delete(f"{BASE}{key}")
    put(app, 1)
    claim(app).ack()
    app.close()


def test_a_newer_wire_is_not_handed_out_as_if_it_were_understood(app: RedisQ, client: redis.Redis) -> None:
    (new, old) = put(app, "new", "old")
    client.hset(f"{BASE}job:{new.partition('.')[2]}", "v", 2)
    delivery = claim(app)
    assert delivery.job.id == old
    assert app.queue("q").claim(0.2) is None
    job = app.job(new)
    assert (job.status, job.attempt) == ("scheduled", 1)
    assert "newer" in job.error
    delivery.ack()


def test_names_of_workers_differ(app: RedisQ, client: redis.Redis) -> None:
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: app.queue("q").claim(0.2), repeat(0, 5)))
    workers = client.zrange(f"{BASE}workers", 0, -1)
    assert 2 <= len(workers) == len(set(workers))
    assert all(str(os.getpid()).encode() in worker for worker in workers)


def test_the_connection_of_a_thread_that_has_ended_is_closed_without_garbage_collection(
    app: RedisQ, client: redis.Redis
) -> None:
    def blocked() -> set[str]:
        return {one["id"] for one in client.client_list() if "b" in one["flags"]}

    gc.disable()
    try:
        with ThreadPoolExecutor(1) as pool:
            claiming = pool.submit(lambda: app.queue("q").claim(2 * LEASE))  # long enough for a lease to be renewed
            its_own = wait_until(blocked)
            claiming.result()
        wait_until(lambda: its_own.isdisjoint(one["id"] for one in client.client_list()))
    finally:
        gc.enable()
