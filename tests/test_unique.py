"""Unique jobs: one of a kind, for as long as was asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from redisq import RedisQ
from tests.waiting import wait_until


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=2.0)

    @app.task("greet", queue="q", unique=True)
    def greet(name: str) -> None: ...

    yield app
    app.close()


def test_the_second_call_is_the_first_job(app: RedisQ) -> None:
    greet = app.tasks["greet"]
    first, second, other = greet.enqueue("a"), greet.enqueue("a"), greet.enqueue("b")
    assert (first.created, second.created, other.created) == (True, False, True)
    assert second.id == first.id != other.id
    assert second.args == ["a"]
    assert app.queue("q").counts()["queued"] == 2


def test_until_it_has_finished(app: RedisQ) -> None:
    greet, queue = app.tasks["greet"], app.queue("q")
    first = greet.enqueue("a")
    with queue.claim(1.0) as delivery:
        assert delivery.job.id == first.id
        assert not greet.enqueue("a").created
    assert greet.enqueue("a").created


@pytest.mark.parametrize("end", ["cancel", "purge", "delete", "fail"])
def test_however_it_ends_the_next_is_free(app: RedisQ, end: str) -> None:
    greet, queue = app.tasks["greet"], app.queue("q")
    first = greet.options(max_attempts=1).enqueue("a")
    if end == "fail":
        queue.claim(1.0).nack("no")
    elif end == "purge":
        queue.purge()
    else:
        getattr(first, end)()
    assert greet.enqueue("a").created


def test_until_it_has_started(app: RedisQ) -> None:
    greet, queue = app.tasks["greet"].options(unique_until="started"), app.queue("q")
    greet.enqueue("a")
    assert not greet.enqueue("a").created
    delivery = queue.claim(1.0)
    second = greet.enqueue("a")
    assert second.created
    delivery.ack()
    assert not greet.enqueue("a").created, "the end of the first took the key from the second"
    assert second.refresh().status == "queued"


def test_for_a_time_whatever_becomes_of_it(app: RedisQ) -> None:
    greet = app.tasks["greet"].options(unique_until=0.5)
    first = greet.enqueue("a")
    first.cancel()
    assert not greet.enqueue("a").created
    first.delete()
    assert not greet.enqueue("a").created
    wait_until(lambda: greet.enqueue("a").created, 5.0)


def test_a_waiting_one_is_replaced_and_put_off(app: RedisQ) -> None:
    save = app.queue("q").options(unique="doc-7", replace=True, delay=30.0)
    first = save.enqueue("save", "one")
    second = save.options(max_attempts=7).enqueue("save", "two")
    assert (second.id, second.created, second.args, second.status) == (first.id, False, ["two"], "scheduled")
    third = save.options(delay=0.0).enqueue("save", "three")
    assert third.args == ["three"]
    wait_until(lambda: app.queue("q").claim(0.1) is not None)


def test_one_that_runs_is_not_replaced(app: RedisQ) -> None:
    save = app.queue("q").options(unique="doc-7", replace=True)
    save.enqueue("save", "one")
    delivery = app.queue("q").claim(1.0)
    assert save.enqueue("save", "two").args == ["one"]
    delivery.ack()
    assert save.enqueue("save", "two").created


def test_a_record_that_is_gone_does_not_keep_its_key(app: RedisQ) -> None:
    greet = app.tasks["greet"]
    first = greet.enqueue("a")
    base = app.queue("q").base
    app.settings.server.ask([("DEL", f"{base}job:{first.local_id}", base + "pending")])
    assert greet.enqueue("a").created


def test_of_many_callers_at_once_one_makes_the_job(app: RedisQ) -> None:
    greet = app.tasks["greet"]
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: greet.enqueue(n % 5), range(200)))
    assert sum(job.created for job in jobs) == 5
    assert len({job.id for job in jobs}) == 5
    assert app.queue("q").counts()["queued"] == 5


def test_in_bulk_beside_others_each_call_gets_its_own_answer(app: RedisQ) -> None:
    jobs = app.queue("q").enqueue_many(
        "greet", [(("a",), {}), (("b",), {}, {"unique": True}), (("c",), {}), (("b",), {}, {"unique": True})]
    )
    assert [job.args for job in jobs] == [["a"], ["b"], ["c"], ["b"]]
    assert [job.created for job in jobs] == [True, True, True, False]
    assert jobs[1].id == jobs[3].id


def test_with_an_id_of_its_own(app: RedisQ) -> None:
    greet = app.tasks["greet"]
    first = greet.options(job_id="g1").enqueue("a")
    assert greet.options(job_id="g1").enqueue("a").created is False
    assert greet.options(job_id="g2").enqueue("a").id == first.id


def test_a_key_is_gone_with_its_job(app: RedisQ) -> None:
    app.tasks["greet"].enqueue("a")
    app.queue("q").claim(1.0).ack()
    assert app.settings.server.ask([("KEYS", app.queue("q").base + "unique:*")]) == [[]]
