"""What a failed attempt leaves on the job, and what it costs those who do not fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from redisq import Delivery, GiveUp, Job, RedisQ, Retry, history
from redisq.claimer import settling
from redisq.failing import failed
from tests.invariants import checked_app

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def claim(app: RedisQ) -> Delivery:
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    return delivery


def put(app: RedisQ, **options: Any) -> Job:
    return app.queue("q").options(**({"backoff": 0.0, "max_attempts": 3} | options)).put("payload")


def fail(app: RedisQ, error: BaseException) -> None:
    with pytest.raises(type(error)), claim(app):
        raise error


def test_a_job_that_did_not_fail_has_none_of_it(app: RedisQ, client: redis.Redis) -> None:
    job = put(app)
    claim(app).ack()
    job = job.refresh()
    assert (job.history, job.traceback, job.error) == ([], None, None)
    assert not {b"hi", b"tb", b"x"} & client.hgetall(f"{BASE}job:{job.local_id}").keys()


def test_each_failed_attempt_is_told_with_its_times(app: RedisQ) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    job = put(app)
    fail(app, ValueError("first"))
    claim(app).nack("second")
    claim(app).release()  # no failure
    job = job.refresh()
    assert [(one["attempt"], one["error"]) for one in job.history] == [(1, "ValueError: first"), (2, "second")]
    times = [time for one in job.history for time in (one["started_at"], one["ended_at"])]
    assert times == sorted(times)
    assert began < times[0]
    assert times[-1] < datetime.now(UTC) + timedelta(seconds=1)
    claim(app).ack("well")
    job = job.refresh()
    assert (len(job.history), job.error, job.traceback) == (2, None, None)


def test_the_last_failure_counts_too_and_a_revived_job_begins_anew(app: RedisQ) -> None:
    job = put(app, max_attempts=2)
    fail(app, ValueError("one"))
    fail(app, ValueError("two"))
    letter = job.refresh()
    assert letter.status == "failed"
    assert [one["attempt"] for one in letter.history] == [1, 2]
    assert letter.traceback is not None
    again = letter.retry()
    assert (again.history, again.traceback, again.attempt) == ([], None, 1)
    fail(app, ValueError("three"))
    assert [(one["attempt"], one["error"]) for one in job.refresh().history] == [(1, "ValueError: three")]


def test_the_traceback_is_that_of_the_last_error(app: RedisQ) -> None:
    job = put(app)
    fail(app, ValueError("one"))
    assert "in fail" in (job.refresh().traceback or "")
    assert "raise error" in (job.refresh().traceback or "")
    claim(app).nack("without one")
    assert (job.refresh().error, job.refresh().traceback) == ("without one", None)


def test_the_last_twenty_are_kept(app: RedisQ, client: redis.Redis) -> None:
    job = put(app, max_attempts=100)
    for n in range(45):
        claim(app).nack(f"number {n} " + "x" * 10_000)
    told = job.refresh().history
    assert [one["attempt"] for one in told] == list(range(26, 46))
    assert [one["error"].split(" x")[0] for one in told] == [f"number {n}" for n in range(25, 45)]
    assert client.hstrlen(f"{BASE}job:{job.local_id}", "hi") < 20 * 700


@pytest.mark.parametrize(
    "text", ["a\nb\r\n\t\0", '"\\/', "\u2028", "€" * 400, "x" + "𝄞" * 400, "\ud800", "\x7f", "", "x" * 500, "ä" * 250]
)
def test_any_error_is_told_and_cut_between_characters(app: RedisQ, text: str) -> None:
    job = put(app)
    claim(app).nack(text)
    claim(app).nack("next")
    first, second = (one["error"] for one in job.refresh().history)
    whole = text.encode("utf-8", "backslashreplace").decode()
    assert whole.startswith(first)
    assert len(first.encode()) > min(len(whole.encode()), 500) - 4
    assert second == "next"


def test_a_settle_that_is_sent_twice_is_one_failure(app: RedisQ) -> None:
    job = put(app)
    delivery = claim(app)
    opened = delivery._open
    assert opened is not None
    commands = settling(app.settings, opened.worker, [failed(opened.claimed, "no", opened.claimed.run_options())])
    assert [app.settings.server.call(commands, 1.0)[0][0] for _ in range(2)] == [b"ok", b"done"]
    assert len(job.refresh().history) == 1
    claim(app).ack()


def test_a_dead_letter_that_cannot_be_put_there_leaves_one_line_once_it_can(app: RedisQ, client: redis.Redis) -> None:
    job = put(app, max_attempts=1)
    delivery = claim(app)
    client.set(f"{BASE}dead", "spoilt")
    for _ in range(2):
        with pytest.raises(Exception, match="WRONGTYPE"):
            delivery.nack("no")
    client.delete(f"{BASE}dead")
    delivery.nack("no")
    assert [one["attempt"] for one in job.refresh().history] == [1]


@pytest.mark.parametrize(
    "lines",
    [b"", b"\n\n", b"null", b"[1]", b'[1,2,3,"a"', b'["1",2,3,"a"]', b'[1,1e300,3,"a"]', b"\xff", b'[1,2,3,"a","b"]'],
)
def test_a_history_that_cannot_be_read_is_left_out(lines: bytes) -> None:
    assert history.read(lines) == []
    assert len(history.read(lines + b'\n[7,1700000000000,1700000000500,"\xff"]')) == 1


# What an error asks for


def test_giving_up_makes_a_dead_letter_at_once(app: RedisQ) -> None:
    job = put(app, max_attempts=10)
    fail(app, GiveUp("the account is closed"))
    letter = job.refresh()
    assert (letter.status, letter.error, letter.attempt) == ("failed", "GiveUp: the account is closed", 1)


def test_who_asks_to_be_tried_again_says_when(app: RedisQ) -> None:
    job = put(app, backoff=0.0)
    fail(app, Retry(in_=60.0, reason="busy"))
    assert (job.refresh().status, job.refresh().error, job.refresh().attempt) == ("scheduled", "Retry: busy", 2)
    other = put(app, backoff=60.0)
    claim(app).nack(Retry(in_=60.0), retry_in=0.0)
    assert other.refresh().status == "queued"
    fail(app, Retry(in_=0.0))
    fail(app, Retry(in_=0.0))
    assert (other.refresh().status, len(other.refresh().history)) == ("failed", 3)


def test_news_is_told_again_when_its_reader_says(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").options(feed="news").put(1)
    claim(app).ack()
    feed = app.feed("news")
    delivery = feed.claim(5.0)
    assert delivery is not None
    delivery.nack(Retry(in_=60.0))
    assert feed.claim(0.0) is None
    client.zadd(f"{BASE}feed:news:scheduled", {delivery.job.local_id: 1})
    again = feed.claim(5.0)
    assert again is not None
    again.nack(GiveUp("of no use to me"), retry_in=0.0)  # news that is not noted stays news
    last = feed.claim(5.0)
    assert last is not None
    last.ack()


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        ({"backoff": [1.0, 5.0]}, {"backoff": [1.0, 5.0]}),
        ({"soft_timeout": 2.0}, {"soft_timeout": 2.0}),
        ({"delay": 1.0, "feed": "f"}, None),
    ],
)
def test_what_a_call_gives_is_json_and_nothing_else_is_sent(
    app: RedisQ, client: redis.Redis, given: dict[str, Any], wire: Any
) -> None:
    job = app.queue("q").options(**given).put(1)
    sent = client.hget(f"{BASE}job:{job.local_id}", "o")
    assert (None if sent is None else json.loads(sent)) == wire
    job.cancel()
