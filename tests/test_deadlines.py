"""Points in time, and jobs that are not started after one. The clock that counts is the server's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pytest
import redis

from redisq import Job, JobCancelled, RedisQ, current_job
from redisq.claimed import Source
from redisq.claimer import Claimer, registration
from redisq.worker.runner import Runner
from tests.invariants import checked_app
from tests.waiting import wait_until

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def now(client: redis.Redis) -> datetime:
    """The server's."""
    seconds, microseconds = client.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def pass_deadline(client: redis.Redis, job: Job) -> None:
    """As if it had been enqueued longer ago."""
    key = f"{BASE}job:{job.local_id}"
    client.hset(key, "e", int(client.hget(key, "e")) - 3_600_000)


# At


def test_a_job_waits_for_its_time(app: RedisQ, client: redis.Redis) -> None:
    at = now(client) + timedelta(seconds=0.3)
    job = app.queue("q").options(at=at).put(1)
    assert job.status == "scheduled"
    assert app.queue("q").claim(0.0) is None
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    assert now(client) >= at
    delivery.ack()


def test_the_same_moment_in_another_zone_is_the_same(app: RedisQ, client: redis.Redis) -> None:
    at = (now(client) + timedelta(hours=1)).replace(microsecond=123_000)
    zones = [UTC, timezone(timedelta(hours=-9.5)), timezone(timedelta(hours=14))]
    for zone in zones:
        app.queue("q").options(at=at.astimezone(zone)).put(1)
    due = {score for _, score in client.zrange(f"{BASE}scheduled", 0, -1, withscores=True)}
    assert due == {at.timestamp() * 1000}
    app.queue("q").purge()


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None])
def test_the_past_means_now(app: RedisQ, at: datetime | None) -> None:
    job = app.queue("q").options(at=at or datetime.now(UTC) - timedelta(seconds=60)).put(1)
    assert job.status == "queued"
    assert job.refresh().status == "queued"
    delivery = app.queue("q").claim(0.0)
    assert delivery is not None
    delivery.ack()


def test_a_producer_whose_clock_is_wrong_does_not_matter(app: RedisQ, client: redis.Redis) -> None:
    soon = now(client) + timedelta(seconds=60)
    with patch("time.time", lambda: 0.0):
        job = app.queue("q").options(at=soon).put(1)
    assert job.status == "scheduled"
    assert client.zscore(f"{BASE}scheduled", job.local_id) == pytest.approx(soon.timestamp() * 1000, abs=1)
    job.cancel()


# Deadlines


def test_a_job_within_its_deadline_is_like_any_other(app: RedisQ) -> None:
    job = app.queue("q").options(expires=60.0).put(1)
    assert job.created_at is not None
    assert job.deadline == job.created_at + timedelta(seconds=60)
    delivery = app.queue("q").claim(0.0)
    assert delivery is not None
    delivery.ack("fine")
    assert job.wait(0.0) == "fine"
    assert app.queue("q").options(expires=datetime.max.replace(tzinfo=UTC)).put(1).deadline is None
    assert app.queue("q").put(1).deadline is None
    app.queue("q").purge()


@pytest.mark.parametrize("late", [0.05, datetime(2020, 1, 1, tzinfo=UTC)])
def test_a_job_that_comes_too_late_is_not_started(app: RedisQ, client: redis.Redis, late: Any) -> None:
    job = app.queue("q").options(expires=late, feed="news").put(1)
    deadline = job.deadline
    assert deadline is not None
    wait_until(lambda: now(client) >= deadline)
    other = app.queue("q").put(2)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    assert delivery.job.id == other.id
    delivery.ack()
    with pytest.raises(JobCancelled, match=r"^expired$"):
        job.wait(0.0)
    news = {app.feed("news").claim(5.0).job.id}  # type: ignore[union-attr]
    assert news == {job.id}


def test_nothing_to_claim_is_said_when_all_is_too_late(app: RedisQ, client: redis.Redis) -> None:
    jobs = [app.queue("q").options(expires=1.0).put(n) for n in range(5)]
    for job in jobs:
        pass_deadline(client, job)
    began = time.monotonic()
    assert app.queue("q").claim(0.2) is None
    assert time.monotonic() - began < 5.0
    assert {job.refresh().status for job in jobs} == {"cancelled"}


def test_a_worker_does_not_call_what_comes_too_late(app: RedisQ, client: redis.Redis) -> None:
    ran: list[str] = []
    app.task("t", queue="q")(lambda: ran.append(current_job().id))
    late, other = app.tasks["t"].options(expires=1.0).enqueue(), app.tasks["t"].enqueue()
    pass_deadline(client, late)
    source = Source("q", BASE)
    app.settings.server.call(registration(app.settings, [source], "w"))
    claimer, runner = Claimer(app.settings, [source], "w"), Runner(app, "w")
    _, jobs = claimer.exchange([], 10)
    claimer.exchange([runner.run(job, runner.options(job)) for job in jobs], 0)
    claimer.close()
    assert ran == [other.id]
    assert (late.refresh().status, late.refresh().error) == ("cancelled", "expired")


def test_a_retry_beyond_the_deadline_is_the_end(app: RedisQ) -> None:
    job = app.queue("q").options(expires=30.0, max_attempts=5).put(1)
    for retry_in in (0.0, 60.0):
        delivery = app.queue("q").claim(5.0)
        assert delivery is not None
        delivery.nack(f"in {retry_in:g}", retry_in=retry_in)
    seen = job.refresh()
    assert (seen.status, seen.error) == ("cancelled", "expired")
    assert [one["error"] for one in seen.history] == ["in 0", "in 60"]
    assert seen.finished_at is not None


def test_the_last_attempt_of_a_job_that_began_in_time_decides(app: RedisQ, client: redis.Redis) -> None:
    done, failed = (app.queue("q").options(expires=60.0, max_attempts=1).put(n) for n in (1, 2))
    first, second = app.queue("q").claim(5.0), app.queue("q").claim(5.0)
    assert first is not None
    assert second is not None
    for job in (done, failed):
        pass_deadline(client, job)
    first.ack("late, but done")
    second.nack("no")
    assert (done.refresh().status, failed.refresh().status) == ("succeeded", "failed")


def test_a_person_who_revives_a_job_wants_it_whatever_its_deadline(app: RedisQ, client: redis.Redis) -> None:
    job = app.queue("q").options(expires=60.0, max_attempts=1).put(1)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    delivery.nack("no")
    pass_deadline(client, job)
    assert job.retry().deadline is None
    again = app.queue("q").claim(5.0)
    assert again is not None
    again.ack()
    assert job.refresh().status == "succeeded"


@pytest.mark.parametrize("garbage", [b"", b"soon", b"\xff", b"nan", b"inf", b"1e999"])
def test_a_deadline_that_cannot_be_read_is_none(app: RedisQ, client: redis.Redis, garbage: bytes) -> None:
    job = app.queue("q").options(max_attempts=2).put(1)
    client.hset(f"{BASE}job:{job.local_id}", "ex", garbage)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    delivery.nack("no", retry_in=0.0)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    delivery.ack()
    assert job.refresh().status == "succeeded"
    assert job.refresh().deadline is None


# With other rules


def test_a_unique_job_that_is_replaced_has_the_new_calls_times(app: RedisQ, client: redis.Redis) -> None:
    unique = app.queue("q").options(unique="u", replace=True)
    job = unique.options(expires=30.0, delay=10.0).put(1)
    pass_deadline(client, job)
    unique.options(expires=60.0, delay=10.0).put(2)
    deadline = job.refresh().deadline
    assert deadline is not None
    assert abs((deadline - now(client)).total_seconds() - 60.0) < 5.0
    at = now(client) + timedelta(hours=1)
    unique.options(at=at).put(3)
    assert (job.refresh().deadline, job.refresh().payload) == (None, 3)
    assert client.zscore(f"{BASE}scheduled", job.local_id) == pytest.approx(at.timestamp() * 1000, abs=1)
    unique.options(at=now(client) - timedelta(hours=1)).put(4)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    assert delivery.job.payload == 4
    delivery.ack()


def test_what_is_too_late_takes_nobodys_turn(app: RedisQ, client: redis.Redis) -> None:
    limited = app.queue("q").options(limit="1/h", key="k")
    late = limited.options(expires=1.0).put(1)
    pass_deadline(client, late)
    timely = limited.put(2)
    delivery = app.queue("q").claim(5.0)
    assert delivery is not None
    assert delivery.job.id == timely.id
    delivery.ack()
    assert late.refresh().error == "expired"
