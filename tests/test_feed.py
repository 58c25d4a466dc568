"""Being told how jobs end: of every way, once it is noted no more, and never silently not."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from redisq import Delivery, FeedFull, InvalidOption, JobNotFound, LeaseLost, RedisQ, Retention
from tests.invariants import checked_app
from tests.waiting import wait_until

LEASE = 0.4
BASE = "redisq:{q}:"
FEED = f"{BASE}feed:news:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url, lease=LEASE) as app:
        yield app


@pytest.fixture
def other(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=LEASE)
    yield app
    app.close()


def put(app: RedisQ, job_id: str, queue: str = "q", feed: str = "news", **options: Any) -> str:
    return app.queue(queue).options(feed=feed, job_id=job_id, **options).put(job_id).id


def claim(app: RedisQ, queue: str = "q") -> Delivery:
    delivery = app.queue(queue).claim()
    assert delivery is not None
    return delivery


def news(app: RedisQ, timeout: float = 5.0, feed: str = "news") -> Any:
    return app.feed(feed).claim(timeout)


def heard(app: RedisQ) -> dict[str, str]:
    """All that the feed has to say, acknowledged."""
    said = {}
    while (entry := news(app, 0.2)) is not None:
        said[entry.job.local_id] = entry.job.status
        entry.ack()
    return said


def test_every_way_to_end_is_told(app: RedisQ) -> None:
    queue = app.queue("q")
    put(app, "succeeded")
    claim(app).ack({"n": 1})
    put(app, "failed", max_attempts=1)
    claim(app).nack("no")
    put(app, "cancelled").rpartition(".")
    app.job("q.cancelled").cancel()
    put(app, "stopped")
    delivery = claim(app)
    app.job("q.stopped").cancel()
    delivery.ack()
    put(app, "deleted")
    app.job("q.deleted").delete()
    put(app, "purged")
    put(app, "purged-later", delay=60.0)
    queue.purge()
    put(app, "released")
    claim(app).release()
    queue.claim().nack("again", retry_in=60.0)
    assert heard(app) == {
        "succeeded": "succeeded",
        "failed": "failed",
        "cancelled": "cancelled",
        "stopped": "cancelled",
        "deleted": "cancelled",
        "purged": "cancelled",
        "purged-later": "cancelled",
    }


def test_a_job_that_crashed_too_often_is_told(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    held = [claim_and_lose(app, client) for _ in range(3)]
    assert len({delivery.job.token for delivery in held}) == 3
    assert wait_until(lambda: app.queue("q").claim(0.05) is None and heard(app)) == {"a": "failed"}


def claim_and_lose(app: RedisQ, client: redis.Redis) -> Delivery:
    delivery = claim(app)
    for worker in client.zrange(f"{BASE}workers", 0, -1):
        client.zadd(f"{BASE}workers", {worker: 1})
        client.hset(f"{BASE}calls", worker, b"0:1:1")
    client.hdel(f"{BASE}state", "kept")
    client.lpush(f"{BASE}wake", 1)  # the next claim does not wait, in which time a living worker would renew
    return delivery


def test_an_entry_shows_the_job_as_it_ended(app: RedisQ) -> None:
    put(app, "a", result_ttl=0.0)
    claim(app).ack([1, 2])
    entry = news(app)
    assert (entry.job.id, entry.job.status, entry.job.result) == ("q.a", "succeeded", [1, 2])
    assert entry.job.finished_at is not None
    assert "q.a" in repr(entry)
    entry.ack()


def test_a_record_has_no_ttl_until_its_entry_is_noted(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a", result_ttl=0.0)
    claim(app).ack("kept")
    assert client.ttl(f"{BASE}job:a") == -1
    entry = news(app)
    assert client.ttl(f"{BASE}job:a") == -1
    assert app.job("q.a").result == "kept"
    entry.ack()
    assert 0 < client.ttl(f"{BASE}job:a") <= 600
    wait_until(lambda: app.find_jobs(["q.a"]) == [None])
    assert not client.keys(f"{FEED}job:*")


def test_a_dead_letter_stays_after_it_was_noted(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a", max_attempts=1)
    claim(app).nack("no")
    news(app).ack()
    assert client.ttl(f"{BASE}job:a") == -1
    assert app.queue("q").counts()["failed"] == 1


def test_a_trimmed_dead_letter_stays_until_it_was_noted(redis_url: str, client: redis.Redis) -> None:
    with checked_app(redis_url, retention=Retention(dead=0)) as app:
        put(app, "a", max_attempts=1)
        claim(app).nack("no")
        client.hdel(f"{BASE}state", "kept")
        wait_until(lambda: app.queue("q").claim(0.1) is None and app.queue("q").counts()["failed"] == 0)
        entry = news(app)
        assert (entry.job.status, entry.job.error) == ("failed", "no")
        entry.ack()
        assert client.ttl(f"{BASE}job:a") > 0


def test_nothing_is_told_of_a_job_that_did_not_ask(app: RedisQ) -> None:
    app.queue("q").put(1)
    claim(app).ack()
    assert news(app, 0.0) is None


def test_feeds_are_apart(app: RedisQ) -> None:
    put(app, "a", feed="news")
    put(app, "b", feed="billing")
    claim(app).ack()
    claim(app).ack()
    assert news(app, feed="billing").job.id == "q.b"
    assert news(app, feed="news").job.id == "q.a"


def test_a_feed_hears_of_all_queues_also_new_ones(app: RedisQ) -> None:
    assert news(app, 0.0) is None
    for queue in ("q", "p", "r"):
        put(app, "a", queue)
        claim(app, queue).ack()
    said = []
    for _ in range(3):
        entry = news(app)
        said.append(entry.job.id)
        entry.ack()
    assert sorted(said) == ["p.a", "q.a", "r.a"]


def test_a_reader_that_waits_hears_of_a_queue_that_comes_up_meanwhile(app: RedisQ) -> None:
    put(app, "old", "q")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: news(app, 10.0).job.id)
        put(app, "new", "brand-new")
        claim(app, "brand-new").ack()
        began = time.monotonic()
        assert waiting.result() == "brand-new.new"
    assert time.monotonic() - began < 2.5


def test_a_name_that_cannot_be_a_queue_makes_no_reader_deaf(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url)
    client.sadd("redisq:queues", "not a name!", b"\xff", "")
    put(app, "a")
    claim(app).ack()
    assert news(app).job.id == "q.a"
    app.close()


# Noted, or not


def test_what_nobody_has_noted_comes_back(app: RedisQ, other: RedisQ) -> None:
    put(app, "a")
    claim(app).ack()
    entry = news(app)
    assert news(other, 0.0) is None
    del entry
    gc.collect()
    again = news(app)
    assert again.job.id == "q.a"
    again.release()
    third = news(other)
    assert third.job.id == "q.a"
    third.ack()
    assert news(app, 0.1) is None


def test_what_a_dead_reader_had_comes_back_to_another(app: RedisQ, other: RedisQ) -> None:
    put(app, "a")
    claim(app).ack()
    entry = news(other)
    other.close()
    began = time.monotonic()
    again = news(app)
    assert again.job.id == "q.a"
    assert time.monotonic() - began < 1.5 * LEASE + 1.0
    with pytest.raises(LeaseLost):
        entry.ack()
    again.ack()
    assert app.job("q.a").status == "succeeded"
    assert news(app, 0.1) is None


def test_an_entry_is_never_given_up_however_often_readers_die(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    claim(app).ack()
    for _ in range(8):
        entry = news(app)
        assert entry is not None
        for worker in client.zrange(f"{FEED}workers", 0, -1):
            client.zadd(f"{FEED}workers", {worker: 1})
            client.hset(f"{FEED}calls", worker, b"0:1:1")
        client.hdel(f"{FEED}state", "kept")
        del entry
    news(app).ack()
    assert client.zcard(f"{FEED}dead") == 0


def test_a_nack_brings_it_back_as_often_as_it_takes(app: RedisQ) -> None:
    put(app, "a")
    claim(app).ack()
    for _ in range(6):
        news(app).nack("database is down", retry_in=0.0)
    entry = news(app)
    assert entry.job.status == "succeeded"
    entry.nack("later", retry_in=0.3)
    assert news(app, 0.0) is None
    news(app).ack()


def test_leaving_the_block_notes_it_and_an_exception_does_not(app: RedisQ) -> None:
    put(app, "a")
    claim(app).ack()
    with pytest.raises(ZeroDivisionError), news(app):
        _ = 1 / 0
    with news(app, 5.0) as entry:
        assert entry.job.id == "q.a"
    assert news(app, 0.1) is None
    with pytest.raises(InvalidOption):
        entry.ack()


def test_two_readers_share_what_is_told(app: RedisQ, other: RedisQ) -> None:
    count = 60
    for n in range(count):
        put(app, f"j{n}")
    app.queue("q").purge()

    def read(reader: RedisQ) -> list[str]:
        said = []
        while entries := reader.feed("news").claim_many(7, 0.3):
            said += [entry.job.id for entry in entries]
            reader.feed("news").ack_many(entries)
        return said

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(read, (app, other))
    assert sorted(one + two) == sorted(f"q.j{n}" for n in range(count))


def test_many_are_noted_in_one_go_over_queues(app: RedisQ, client: redis.Redis) -> None:
    for queue in ("q", "p"):
        for n in range(50):
            put(app, f"j{n}", queue)
        app.queue(queue).purge()
    entries: list[Any] = []
    wait_until(lambda: entries.extend(app.feed("news").claim_many(1000, 1.0)) or len(entries) == 100)
    client.config_resetstat()
    app.feed("news").ack_many(entries)
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 4
    assert app.feed("news").claim_many(10, 0.1) == []
    app.feed("news").ack_many([])


def test_if_one_was_lost_the_others_are_noted_all_the_same(app: RedisQ, client: redis.Redis) -> None:
    for job_id in "abc":
        put(app, job_id)
    app.queue("q").purge()
    entries = app.feed("news").claim_many(10)
    assert len(entries) == 3
    worker = client.hget(f"{FEED}job:b", "w")
    client.hset(f"{FEED}job:b", "w", "somebody else")
    with pytest.raises(LeaseLost):
        app.feed("news").ack_many(entries)
    assert client.keys(f"{FEED}job:*") == [f"{FEED}job:b".encode()]
    client.hset(f"{FEED}job:b", "w", worker)


def test_an_entry_whose_job_is_gone_is_dropped(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    put(app, "b")
    app.queue("q").purge()
    client.delete(f"{BASE}job:a")
    assert heard(app) == {"b": "cancelled"}
    assert not client.keys(f"{FEED}job:*")


def test_a_deleted_dead_letter_is_known_until_it_was_noted(app: RedisQ) -> None:
    put(app, "a", max_attempts=1)
    claim(app).nack("the reason")
    app.job("q.a").delete()
    entry = news(app)
    assert (entry.job.id, entry.job.error) == ("q.a", "the reason")
    entry.ack()
    wait_until(lambda: app.find_jobs(["q.a"]) == [None])
    with pytest.raises(JobNotFound):
        app.job("q.a")


# Ended twice


@pytest.mark.parametrize("read", ["before", "while", "after"])
def test_a_dead_letter_that_is_revived_is_told_again(app: RedisQ, read: str) -> None:
    put(app, "a", max_attempts=1)
    claim(app).nack("no")
    entry = news(app) if read != "after" else None
    if read == "before":
        entry.ack()
    app.job("q.a").retry()
    claim(app).ack("good")
    if read == "while":
        assert entry.job.status == "failed"
        entry.ack()
    last = news(app)
    assert (last.job.status, last.job.result) == ("succeeded", "good")
    last.ack()
    assert news(app, 0.1) is None


def test_a_job_that_was_revived_and_waits_is_shown_as_it_is(app: RedisQ) -> None:
    put(app, "a", max_attempts=1)
    claim(app).nack("no")
    app.job("q.a").retry()
    entry = news(app)
    assert entry.job.status == "queued"
    entry.ack()
    claim(app).ack("good")
    assert heard(app) == {"a": "succeeded"}


# The bound


def test_a_full_feed_refuses_jobs_and_drops_nothing(redis_url: str) -> None:
    with checked_app(redis_url, retention=Retention(feed=3)) as app:
        for n in range(3):
            put(app, f"j{n}")
            claim(app).ack()
        with pytest.raises(FeedFull):
            put(app, "one-more")
        with pytest.raises(JobNotFound):
            app.job("q.one-more")
        assert put(app, "elsewhere", feed="other")
        assert put(app, "j0") == "q.j0", "one that exists is answered"
        news(app).ack()
        put(app, "one-more")
        app.queue("q").purge()
        assert set(heard(app)) == {"j1", "j2", "one-more"}


def test_who_waits_is_told_at_once(app: RedisQ) -> None:
    put(app, "a")
    news(app, 0.0)
    delivery = claim(app)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: (news(app, 10.0).job.id, time.monotonic()))
        wait_until(lambda: b"cmd=blpop" in app.settings.server.call([("CLIENT", "LIST")])[0])
        ended = time.monotonic()
        delivery.ack()
        job_id, at = waiting.result()
    assert job_id == "q.a"
    assert at - ended < 0.5


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.3])
def test_nothing_is_said_for_as_long_as_was_asked(app: RedisQ, timeout: float) -> None:
    began = time.monotonic()
    assert news(app, timeout) is None
    put(app, "a")
    assert news(app, timeout) is None
    assert time.monotonic() - began < 2 * max(0.0, timeout) + 0.6


def test_thousands_are_read_in_one_go(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").options(feed="news", result_ttl=0.0).enqueue_many("t", [((), {})] * 6000)
    assert app.queue("q").purge() == 6000
    seen = 0
    while entries := app.feed("news").claim_many(9000, 0.5):
        seen += len(entries)
        app.feed("news").ack_many(entries)
    assert seen == 6000
    assert not client.keys(f"{FEED}job:*")
