"""A claimed job in the hands of whoever claimed it through the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redisq import Delivery, InvalidOption, JobFailed, LeaseLost, NotSerializable, PayloadTooLarge, RedisQ
from tests.invariants import checked_app
from tests.waiting import wait_until

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def claim(app: RedisQ, timeout: float = 5.0) -> Delivery:
    delivery = app.queue("q").claim(timeout)
    assert delivery is not None
    return delivery


def put(app: RedisQ, **options: Any) -> str:
    return app.queue("q").options(**options).put("payload").id


def take_away(client: redis.Redis) -> None:
    """As if the lease of everybody had ended, and somebody had taken back what they held."""
    for worker in client.zrange(f"{BASE}workers", 0, -1):
        client.zadd(f"{BASE}workers", {worker: 1})
        client.hset(f"{BASE}calls", worker, b"0:1:1")
    client.hdel(f"{BASE}state", "kept")


def test_a_delivery_shows_the_job_as_it_runs(app: RedisQ) -> None:
    put(app, job_id="a")
    delivery = claim(app)
    assert (delivery.job.id, delivery.job.status, delivery.job.payload) == ("q.a", "running", "payload")
    assert (delivery.job.attempt, delivery.job.error) == (1, None)
    assert delivery.job.refresh().status == "running"
    assert "q.a" in repr(delivery)
    delivery.ack()


def test_ack_keeps_a_result(app: RedisQ) -> None:
    job_id = put(app)
    claim(app).ack({"n": [1]})
    assert app.job(job_id).result == {"n": [1]}


def test_nack_tries_again_with_a_backoff_until_no_attempt_is_left(app: RedisQ) -> None:
    job_id = put(app, max_attempts=3, backoff=0.05)
    for attempt in (1, 2, 3):
        delivery = claim(app)
        assert delivery.job.attempt == attempt
        delivery.nack(ValueError(f"no {attempt}"))
        job = app.job(job_id)
        assert job.error == f"ValueError: no {attempt}"
        assert job.status == ("failed" if attempt == 3 else "scheduled")
    with pytest.raises(JobFailed, match="no 3"):
        app.job(job_id).wait(0.0)


def test_nack_in_a_given_time(app: RedisQ) -> None:
    job_id = put(app)
    claim(app).nack("later", retry_in=60.0)
    assert app.job(job_id).status == "scheduled"
    assert app.queue("q").claim(0.0) is None
    put(app, job_id="b")
    claim(app).nack("now", retry_in=0)
    assert app.job("q.b").status == "queued"
    claim(app).nack("a tiny bit", retry_in=0.0001)
    assert app.job("q.b").attempt == 3


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan"), float("inf"), 1e300, "5"])
def test_a_time_that_makes_no_sense_is_refused_and_the_job_stays_ours(app: RedisQ, wrong: Any) -> None:
    put(app)
    delivery = claim(app)
    with pytest.raises(InvalidOption):
        delivery.nack("no", retry_in=wrong)
    delivery.ack()


@pytest.mark.parametrize("error", ["", "\ud800", "x" * 100_000, "\0", ValueError("\udcff"), Exception(), KeyError("k")])
def test_any_error_can_be_told(app: RedisQ, error: Any) -> None:
    job_id = put(app, max_attempts=1)
    claim(app).nack(error)
    job = app.job(job_id)
    assert job.status == "failed"
    assert isinstance(job.error, str)
    assert len(job.error) <= 50_000


def test_release_goes_to_the_head_and_counts_nothing(app: RedisQ) -> None:
    first, second = put(app), put(app)
    for _ in range(3):
        delivery = claim(app)
        assert (delivery.job.id, delivery.job.attempt) == (first, 1)
        delivery.release()
    claim(app).ack()
    assert claim(app).job.id == second


def test_the_token_grows_with_every_delivery(app: RedisQ) -> None:
    put(app, backoff=0.0)
    tokens = []
    for settle in (Delivery.release, lambda delivery: delivery.nack("no"), Delivery.release, Delivery.ack):
        delivery = claim(app)
        tokens.append(delivery.job.token)
        settle(delivery)
    assert tokens == sorted(set(tokens))


def test_a_new_job_under_an_old_id_has_a_higher_token(app: RedisQ, client: redis.Redis) -> None:
    put(app, job_id="a")
    for _ in range(5):
        delivery = claim(app)
        delivery.release()
    old = delivery.job.token
    client.flushall()
    wait_until(lambda: put(app, job_id="b") and app.job("q.b").token >> 20 > old >> 20)
    put(app, job_id="a")
    assert app.job("q.a").token > old


# with


def test_leaving_the_block_acks(app: RedisQ) -> None:
    job_id = put(app)
    with claim(app) as delivery:
        assert delivery.job.id == job_id
    assert app.job(job_id).status == "succeeded"
    assert app.job(job_id).result is None


def test_an_exception_nacks_and_goes_on_up(app: RedisQ) -> None:
    job_id = put(app)
    with pytest.raises(ZeroDivisionError), claim(app):
        _ = 1 / 0
    job = app.job(job_id)
    assert (job.status, job.error) == ("scheduled", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_releases_and_goes_on_up(app: RedisQ, interruption: type[BaseException]) -> None:
    job_id = put(app)
    with pytest.raises(interruption), claim(app):
        raise interruption
    job = app.job(job_id)
    assert (job.status, job.attempt) == ("queued", 1)


def test_what_is_settled_inside_is_settled(app: RedisQ) -> None:
    for n, settle in enumerate((lambda d: d.ack(1), lambda d: d.nack("no", retry_in=60.0), lambda d: d.release())):
        job_id = put(app, job_id=f"j{n}")
        with claim(app) as delivery:
            settle(delivery)
        assert app.job(job_id).status == ("succeeded", "scheduled", "queued")[n]


def test_an_exception_after_the_ack_is_no_failure(app: RedisQ) -> None:
    job_id = put(app)
    delivery = claim(app)
    with delivery:
        delivery.ack("done")
        assert delivery.__exit__(ZeroDivisionError, ZeroDivisionError(), None) is None
    assert app.job(job_id).result == "done"


# Twice, and too late


def test_settling_twice_is_a_mistake_that_is_told(app: RedisQ) -> None:
    job_id = put(app)
    delivery = claim(app)
    delivery.ack(1)
    for again in (delivery.ack, delivery.release, lambda: delivery.nack("no")):
        with pytest.raises(InvalidOption, match="settled"):
            again()
    assert app.job(job_id).result == 1


@pytest.mark.parametrize("result", [object(), "\ud800", "x" * 5_000_000], ids=["object", "surrogate", "large"])
def test_a_result_that_cannot_be_kept_leaves_the_delivery_open(app: RedisQ, result: Any) -> None:
    job_id = put(app)
    delivery = claim(app)
    with pytest.raises((NotSerializable, PayloadTooLarge)):
        delivery.ack(result)
    assert app.job(job_id).status == "running"
    delivery.ack("small")
    assert app.job(job_id).result == "small"


def test_what_was_taken_away_is_lost_and_stays_so(app: RedisQ, client: redis.Redis) -> None:
    job_id = put(app)
    zombie = claim(app)
    take_away(client)
    heir = RedisQ(app.settings.server.url)
    delivery = wait_until(lambda: heir.queue("q").claim(0.2))
    assert delivery.job.id == job_id
    assert delivery.job.token > zombie.job.token
    with pytest.raises(LeaseLost):
        zombie.ack("zombie")
    assert app.job(job_id).status == "running"
    delivery.ack("heir")
    assert app.job(job_id).result == "heir"
    heir.close()


@pytest.mark.parametrize("how", ["ack", "nack", "release", "with"])
def test_every_way_to_settle_says_that_it_came_too_late(app: RedisQ, client: redis.Redis, how: str) -> None:
    put(app)
    delivery = claim(app)
    take_away(client)
    heir = RedisQ(app.settings.server.url)
    other = wait_until(lambda: heir.queue("q").claim(0.2))
    ways = {
        "ack": delivery.ack,
        "nack": lambda: delivery.nack("no"),
        "release": delivery.release,
        "with": lambda: delivery.__exit__(None, None, None),
    }
    with pytest.raises(LeaseLost):
        ways[how]()
    other.ack()
    heir.close()


def test_a_delivery_settled_by_another_thread_or_deleted_job(app: RedisQ, client: redis.Redis) -> None:
    put(app, job_id="a")
    delivery = claim(app)
    client.delete(f"{BASE}job:a")  # by hand
    with pytest.raises(LeaseLost):
        delivery.ack()
    client.delete(*client.keys(f"{BASE}claimed:*"))


def test_a_cancelled_delivery_can_be_settled_and_is_cancelled(app: RedisQ) -> None:
    for n, settle in enumerate((lambda d: d.ack(1), lambda d: d.nack("no"), lambda d: d.release())):
        job_id = put(app, job_id=f"j{n}")
        delivery = claim(app)
        app.job(job_id).cancel()
        settle(delivery)
        assert app.job(job_id).status == "cancelled"


def test_a_lost_lease_does_not_hide_what_went_wrong_in_the_block(redis_url: str) -> None:
    queue = RedisQ(redis_url).queue("q")
    queue.put(1)
    delivery = queue.claim()
    assert delivery
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("redisq:{q}:claimed:*"))
    with pytest.raises(ZeroDivisionError), delivery:
        _ = 1 / 0
