"""The log of a job in Redis: what is added to it, by whom, and how long it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redisq import InvalidOption, LogEntry, RedisQ, Retention
from redisq.app import RedisQ as App
from redisq.claimed import Claimed, dead, failed, released, succeeded
from redisq.claimer import Claimer, registration, settling
from redisq.current import CurrentJob
from redisq.doctor import Doctor
from redisq.options import DEFAULTS, RunOptions
from tests.invariants import check, checked_app
from tests.waiting import wait_until

LOG = "redisq:{q}:log:j"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


class Hand:
    """A worker that a test moves by hand."""

    def __init__(self, app: App, name: str = "w1") -> None:
        self.app = app
        queue: Any = app.queue("q")
        self.sources = [queue._source]
        app.settings.server.ask(registration(app.settings, self.sources, name))
        self.claimer = Claimer(app.settings, self.sources, name)
        self.name = name

    def claim(self) -> tuple[Claimed, CurrentJob]:
        (job,) = self.claimer.exchange([], 1)[1]
        return job, CurrentJob(self.app.settings, self.name, job, [], {})

    def settle(self, *settlements: Any) -> list[bytes]:
        return self.claimer.exchange(list(settlements))[0]


@pytest.fixture
def hand(app: RedisQ) -> Iterator[Hand]:
    hand = Hand(app)
    yield hand
    hand.claimer.close()


def texts(app: RedisQ) -> list[str]:
    return [entry.text for entry in app.queue("q").logs("j")]


def begin(app: RedisQ, hand: Hand, **options: Any) -> tuple[Claimed, CurrentJob]:
    app.queue("q").options(job_id="j", **options).enqueue("t")
    return hand.claim()


def test_lines_come_a_moment_later_by_themselves(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    current.log("one")
    current.log("two\nlines")
    wait_until(lambda: texts(app) == ["one", "two\nlines"])
    (entry, _) = app.job("q.j").logs()
    assert isinstance(entry, LogEntry)
    assert entry.attempt == 1
    assert entry.time.tzinfo is not None
    assert asyncio.run(app.job("q.j").logs_async()) == app.job("q.j").logs()
    hand.settle(succeeded(job, b"1", DEFAULTS))


def test_what_is_left_at_the_end_comes_with_it(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    current.log("last words")
    assert hand.settle(succeeded(job, b"1", DEFAULTS)) == [b"ok"]
    assert texts(app) == ["last words"]
    assert app.settings.scribe.pages == {}


def test_a_settlement_that_is_sent_twice_logs_once(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    current.log("one")
    unsent = app.settings.scribe.unsent([next(iter(app.settings.scribe.pages))])
    app.settings.server.ask(unsent)
    current.log("two")
    commands = settling(app.settings, hand.name, [released(job)])
    app.settings.server.ask([*unsent, *commands])
    app.settings.server.ask([*unsent, *commands])
    assert texts(app) == ["one", "two"]
    app.job("q.j").cancel()


def test_a_worker_that_lost_the_job_adds_nothing(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    app.settings.server.ask(settling(app.settings, hand.name, [released(job)]))
    other = Hand(app, "w2")
    again, _ = other.claim()
    current.log("from the dead")
    assert hand.settle(succeeded(job, b"1", DEFAULTS)) != [b"ok"]
    assert texts(app) == []
    assert other.settle(succeeded(again, b"1", DEFAULTS)) == [b"ok"]
    other.claimer.close()


def test_a_log_goes_on_over_attempts(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    current.log("one")
    hand.settle(failed(job, "no", DEFAULTS, 0.0))
    job, current = hand.claim()
    current.log("two")
    hand.settle(dead(job, "no"))
    assert [(entry.attempt, entry.text) for entry in app.job("q.j").logs()] == [(1, "one"), (2, "two")]
    app.job("q.j").retry()
    job, current = hand.claim()
    current.log("three")
    hand.settle(succeeded(job, b"1", DEFAULTS))
    assert texts(app) == ["one", "two", "three"]


@pytest.mark.parametrize("flow", [{}, {"concurrency": 2}, {"unique": "k"}])
def test_it_lives_as_long_as_the_record(
    app: RedisQ, hand: Hand, client: redis.Redis, flow: dict[str, Any]
) -> None:
    if flow.get("concurrency"):
        app.queue("q").limit(rate="9/s")
    job, current = begin(app, hand, **flow)
    current.log("x")
    hand.settle(succeeded(job, b"1", RunOptions(result_ttl=700.0)))
    kept = client.pttl("redisq:{q}:job:j")
    assert 690_000 < client.pttl(LOG) <= kept


def test_without_a_result_it_is_gone_at_once(app: RedisQ, hand: Hand, client: redis.Redis) -> None:
    job, current = begin(app, hand)
    current.log("x")
    hand.settle(succeeded(job, b"1", RunOptions(result_ttl=0.0)))
    assert not client.exists(LOG)


def test_with_a_feed_it_lives_until_that_is_told(app: RedisQ, hand: Hand, client: redis.Redis) -> None:
    job, current = begin(app, hand, feed="f")
    current.log("x")
    hand.settle(succeeded(job, b"1", RunOptions(result_ttl=700.0)))
    assert client.pttl(LOG) == -1
    with app.feed("f").claim():
        assert texts(app) == ["x"]
    assert 0 < client.pttl(LOG) <= 700_000


@pytest.mark.parametrize("end", ["delete", "trim"])
def test_of_a_dead_letter_it_goes_with_it(
    redis_url: str, client: redis.Redis, app: RedisQ, hand: Hand, end: str
) -> None:
    job, current = begin(app, hand)
    current.log("x")
    hand.settle(dead(job, "no"))
    assert client.pttl(LOG) == -1
    if end == "delete":
        app.job("q.j").delete()
    else:
        keen = Hand(RedisQ(redis_url, retention=Retention(dead=0)), "w2")
        client.hdel("redisq:{q}:state", "kept")
        keen.claimer.exchange([], 1)
        keen.claimer.close()
    assert not client.exists(LOG, "redisq:{q}:job:j")


def test_trimming_by_number_takes_it_along(redis_url: str, client: redis.Redis, app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    current.log("x")
    hand.settle(succeeded(job, b"1", DEFAULTS))
    client.hset("redisq:{q}:job:j", "z", 1)
    few = Hand(RedisQ(redis_url, retention=Retention(ended=0)), "w2")
    client.hdel("redisq:{q}:state", "kept")
    few.app.queue("q").options(job_id="k").enqueue("t")
    job, _ = few.claim()
    few.settle(succeeded(job, b"1", DEFAULTS))
    few.claimer.close()
    assert not client.exists(LOG, "redisq:{q}:job:j")


def test_a_replaced_call_does_not_keep_the_log_of_the_other(app: RedisQ, hand: Hand, client: redis.Redis) -> None:
    job, current = begin(app, hand, unique="k")
    current.log("x")
    hand.settle(failed(job, "no", DEFAULTS, 60.0))
    assert client.exists(LOG)
    app.queue("q").options(unique="k", replace=True, concurrency=3).enqueue("t", "other")
    assert not client.exists(LOG)
    app.queue("q").purge()


def test_a_log_that_is_no_log_holds_no_job_up(app: RedisQ, hand: Hand, client: redis.Redis) -> None:
    job, current = begin(app, hand)
    client.set(LOG, "x", ex=600)
    current.log("y")
    assert hand.settle(succeeded(job, b"1", DEFAULTS)) == [b"ok"]


def test_the_limits_are_the_apps(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url, retention=Retention(log_lines=2, log_line_bytes=10))
    hand = Hand(app)
    job, current = begin(app, hand)
    for text in ("one", "two", "three is too long", "\udce9"):
        current.log(text)
    hand.settle(succeeded(job, b"1", DEFAULTS))
    assert texts(app) == ["three i…", "\\udce9"]
    hand.claimer.close()
    app.close()


def test_many_lines_at_once(redis_url: str) -> None:
    app = RedisQ(redis_url, retention=Retention(log_lines=12_000))
    hand = Hand(app)
    job, current = begin(app, hand)
    for number in range(13_000):
        current.log(str(number))
    assert hand.settle(succeeded(job, b"1", DEFAULTS)) == [b"ok"]
    assert [int(text) for text in texts(app)] == list(range(1000, 13_000))
    hand.claimer.close()
    app.close()


def test_none_at_all(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url, retention=Retention(log_lines=0))
    hand = Hand(app)
    job, current = begin(app, hand)
    current.log("x")
    hand.settle(succeeded(job, b"1", DEFAULTS))
    assert not client.exists(LOG)
    hand.claimer.close()
    app.close()


def test_only_texts(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    with pytest.raises(InvalidOption, match="log: a text"):
        current.log(7)  # type: ignore[arg-type]
    hand.settle(released(job))


def test_what_cannot_be_read_is_left_out(app: RedisQ, client: redis.Redis) -> None:
    client.rpush(LOG, "junk", b"\xff", '[1,1,1e300,1,"x"]', '[1,1,1000,1,"fine"]', '["a"]')
    assert texts(app) == ["fine"]
    client.delete(LOG)


def test_the_doctor_finds_a_log_without_its_job(app: RedisQ, hand: Hand, client: redis.Redis) -> None:
    job, current = begin(app, hand)
    current.log("x")
    hand.settle(dead(job, "no"))
    client.delete("redisq:{q}:job:j")
    client.zrem("redisq:{q}:dead", "j")
    with pytest.raises(AssertionError):
        check(client)
    assert [(found.subject, found.kind) for found in Doctor(app.settings, "q").run()] == [("j", "forget")]
    assert not client.exists(LOG)


def test_a_server_that_is_away_takes_the_lines_when_it_is_back(app: RedisQ, hand: Hand) -> None:
    job, current = begin(app, hand)
    scribe = app.settings.scribe
    current.log("x")
    (pages,) = scribe.pages.values()
    away = RedisQ("redis://127.0.0.1:1/0").settings.server
    assert not scribe._send(away, [(pages, *(pages.unsent() or pytest.fail("nothing")))])
    wait_until(lambda: texts(app) == ["x"])
    hand.settle(released(job))
    app.job("q.j").cancel()


def test_a_job_that_says_nothing_has_an_empty_one(app: RedisQ) -> None:
    assert app.queue("q").put(1).logs() == []
