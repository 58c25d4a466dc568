"""Jobs by filter, in pages and in bulk: what is found, what is done, and what is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

import redisq
from redisq import Filter, search

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[redisq.RedisQ]:
    app = redisq.RedisQ(redis_url)
    yield app
    app.close()


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PORTION", 3)


def fill(app: redisq.RedisQ, status: str, tasks: str) -> None:
    queue = app.queue("q").options(max_attempts=1, delay=60.0 * (status == "scheduled"))
    for number, task in enumerate(tasks):
        job = queue.options(job_id=f"j{number}").enqueue(task, number)
        if status in ("failed", "succeeded"):
            delivery = app.queue("q").claim()
            assert delivery is not None
            delivery.nack(f"error {number}") if status == "failed" else delivery.ack()
        elif status == "cancelled":
            job.cancel()


def pages(app: redisq.RedisQ, chosen_by: Filter, limit: int) -> list[str]:
    found, cursor = [], None
    while True:
        page = app.queue("q").search(chosen_by, cursor, limit)
        assert len(page.jobs) <= limit
        found += [job.local_id for job in page.jobs]
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("status", ["queued", "scheduled", "failed", "succeeded", "cancelled"])
@pytest.mark.parametrize("limit", [1, 2, 50])
def test_pages_have_every_job_once_the_newest_first(app: redisq.RedisQ, status: str, limit: int) -> None:
    fill(app, status, "abababab")
    assert pages(app, Filter(status), limit) == [f"j{n}" for n in range(7, -1, -1)]
    assert pages(app, Filter(status, task="b"), limit) == ["j7", "j5", "j3", "j1"]
    others = {"queued", "scheduled", "failed", "succeeded", "cancelled"} - {status}
    assert all(pages(app, Filter(other), limit) == [] for other in others)


def test_those_that_run(app: redisq.RedisQ) -> None:
    fill(app, "queued", "ab")
    delivery = app.queue("q").claim()
    assert delivery is not None
    assert pages(app, Filter("running"), 5) == ["j0"]
    assert [portion[:2] for portion in app.queue("q").act("cancel", Filter("running"))] == [(1, 1)]
    delivery.ack()
    assert app.job("q.j0").status == "cancelled"


def test_text_and_times(app: redisq.RedisQ) -> None:
    fill(app, "failed", "aaa")
    app.queue("q").options(max_attempts=1, job_id="other").enqueue("a", name="Ärger")
    delivery = app.queue("q").claim()
    assert delivery is not None
    delivery.nack("no")
    assert pages(app, Filter("failed", text="ERROR 1"), 5) == ["j1"]
    assert pages(app, Filter("failed", text="ärg"), 5) == ["other"]
    assert pages(app, Filter("failed", text="J2"), 5) == ["j2"]
    now = datetime.now(UTC)
    assert pages(app, Filter("failed", since=now + timedelta(hours=1)), 5) == []
    assert pages(app, Filter("failed", until=now - timedelta(hours=1)), 5) == []
    assert len(pages(app, Filter("failed", since=now - timedelta(hours=1), until=now + timedelta(hours=1)), 5)) == 4


def test_the_jobs_of_a_group_of_errors(app: redisq.RedisQ) -> None:
    fill(app, "failed", "aba")
    app.queue("q").options(max_attempts=1).put("no task")
    delivery = app.queue("q").claim()
    assert delivery is not None
    delivery.nack("error 7")
    groups = {group.task: group for group in app.queue("q").error_groups().groups}
    assert {task: group.summary for task, group in groups.items()} == dict.fromkeys(("a", "b", None), "error #")
    assert pages(app, Filter("failed", task="a", error="error #"), 5) == ["j2", "j0"]
    assert pages(app, Filter("failed", task="", error="error #"), 5) == [delivery.job.local_id]
    assert pages(app, Filter("failed", error="error 1"), 5) == []


def test_a_page_looks_through_so_many_and_says_so(app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LOOKED_THROUGH", 6)
    fill(app, "queued", "b" + "a" * 9)
    first = app.queue("q").search(Filter("queued", task="b"))
    assert (first.jobs, first.seen) == ([], 6)
    second = app.queue("q").search(Filter("queued", task="b"), first.cursor)
    assert ([job.task for job in second.jobs], second.cursor, second.seen) == (["b"], None, 4)


def test_the_next_page_is_behind_the_last_job_though_others_came_and_went(app: redisq.RedisQ) -> None:
    fill(app, "queued", "a" * 9)
    page = app.queue("q").search(Filter("queued"), limit=4)
    app.queue("q").enqueue("new")
    app.job("q.j7").cancel()
    app.job("q.j8").cancel()
    rest = app.queue("q").search(Filter("queued"), page.cursor, limit=50)
    assert [job.local_id for job in rest.jobs] == ["j4", "j3", "j2", "j1", "j0"]


@pytest.mark.parametrize(
    ("act", "status", "after"),
    [
        ("retry", "failed", "queued"),
        ("cancel", "queued", "cancelled"),
        ("cancel", "scheduled", "cancelled"),
        ("delete", "failed", None),
        ("delete", "queued", None),
        ("delete", "cancelled", None),
    ],
)
def test_a_bulk_is_done_to_all_that_are_chosen_and_to_no_others(
    app: redisq.RedisQ, client: redis.Redis, act: str, status: str, after: str | None
) -> None:
    fill(app, status, "aabbbbbbaba" * 2)
    if status == "failed":  # all in one millisecond
        client.zadd(f"{BASE}dead", dict.fromkeys(client.zrange(f"{BASE}dead", 0, -1), 1000.0))
    portions = list(app.queue("q").act(act, Filter(status, task="b")))
    assert sum(portion.done for portion in portions) == 14
    assert all(portion.seen <= 3 for portion in portions)
    assert [job.task for job in app.queue("q").jobs(status)] == ["a"] * 8
    if after is not None:
        assert [job.task for job in app.queue("q").jobs(after)] == ["b"] * 14
    else:
        assert all(job is None or job.task == "a" for job in app.queue("q").find([f"j{n}" for n in range(22)]))


def test_a_bulk_stops_when_nobody_reads_on(app: redisq.RedisQ) -> None:
    fill(app, "failed", "a" * 9)
    assert next(app.queue("q").act("retry", Filter("failed")))[:2] == (3, 3)
    assert app.queue("q").counts()["failed"] == 6


@pytest.mark.parametrize(("act", "status"), [("retry", "failed"), ("cancel", "queued"), ("cancel", "scheduled")])
def test_another_call_goes_on_behind_a_portion(app: redisq.RedisQ, act: str, status: str) -> None:
    fill(app, status, "ababbbbaaab")
    seen, cursor = [], None
    while portion := next(app.queue("q").act(act, Filter(status, task="b"), cursor), None):
        seen.append(portion.seen)
        cursor = portion.cursor
    assert sum(seen) == 11
    assert [job.task for job in app.queue("q").jobs(status)] == ["a"] * 5


def test_what_is_retried_and_fails_again_is_not_retried_again(app: redisq.RedisQ) -> None:
    fill(app, "failed", "a" * 9)
    done, cursor = 0, None
    while portion := next(app.queue("q").act("retry", Filter("failed"), cursor), None):
        for _ in range(portion.done):
            delivery = app.queue("q").claim(timeout=5.0)
            assert delivery is not None
            time.sleep(0.002)  # another millisecond than that in which the first portion was asked for
            delivery.nack("no", retry_in=0)
        done += portion.done
        cursor = portion.cursor
    assert done == 9
    assert app.queue("q").counts()["failed"] == 9


def test_what_is_no_job_is_passed_over(app: redisq.RedisQ, client: redis.Redis) -> None:
    fill(app, "queued", "aa")
    client.lpush(f"{BASE}pending", b"\xff|garbage", "gone", "list")
    client.rpush(f"{BASE}job:list", "x")
    assert pages(app, Filter("queued"), 1) == ["j1", "j0"]
    assert sum(portion.done for portion in app.queue("q").act("cancel", Filter("queued"))) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda queue: Filter("lost"),
        lambda queue: Filter("queued", task=7),  # type: ignore[arg-type]
        lambda queue: Filter("queued", since=datetime(2026, 1, 1)),
        lambda queue: queue.search(Filter("queued"), "nonsense"),
        lambda queue: queue.search(Filter("queued"), limit=0),
        lambda queue: next(queue.act("retry", Filter("queued"))),
        lambda queue: next(queue.act("burn", Filter("queued"))),
    ],
)
def test_what_makes_no_sense_is_refused(app: redisq.RedisQ, wrong: object) -> None:
    with pytest.raises(redisq.InvalidOption):
        wrong(app.queue("q"))  # type: ignore[operator]
