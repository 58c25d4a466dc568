"""Limits: how many run at once, and start in a time, over all workers; and no slot is lost with its holder."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from redisq import InvalidOption, RedisQ
from redisq.claimed import Claimed, Settlement, Source, dead, released, succeeded
from redisq.claimer import Claimer, giving_back, registration
from redisq.options import DEFAULTS


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=2.0)
    yield app
    app.close()


@pytest.fixture
def claimer(app: RedisQ) -> Iterator[Claimer]:
    sources = [Source("q", app.queue("q").base)]
    app.settings.server.ask(registration(app.settings, sources, "w"))
    claimer = Claimer(app.settings, sources, "w")
    yield claimer
    claimer.close()


def claim(claimer: Claimer, budget: int = 10, *settled: Settlement) -> list[Claimed]:
    return claimer.exchange(settled, budget)[1]


def done(job: Claimed) -> Settlement:
    return succeeded(job, b"null", DEFAULTS)


def enqueue(app: RedisQ, count: int, task: str = "t", **options: object) -> list[bytes]:
    queue = app.queue("q").options(**options)
    return [queue.enqueue(task, n).local_id.encode() for n in range(count)]


def keys(app: RedisQ, pattern: str) -> list[bytes]:
    return list(app.settings.server.ask([("KEYS", app.queue("q").base + pattern)])[0])


def test_no_more_run_at_once_than_may_and_each_end_lets_the_next_in(app: RedisQ, claimer: Claimer) -> None:
    sent = enqueue(app, 5, concurrency=2)
    jobs = claim(claimer)
    assert [job.id for job in jobs] == sent[:2]
    assert app.queue("q").counts() == {"scheduled": 3, "queued": 0, "running": 2, "failed": 0}
    assert claim(claimer) == []
    order = [job.id for job in jobs]
    while jobs:
        jobs += claim(claimer, 10, done(jobs.pop(0)))
        order += [job.id for job in jobs if job.id not in order]
        assert len(jobs) <= 2
    assert order == sent
    assert keys(app, "slots:*") + keys(app, "turn:*") == []


@pytest.mark.parametrize("end", ["fail", "retry", "release", "cancel", "give back", "crash", "reap"])
def test_a_slot_is_free_however_its_holder_leaves(app: RedisQ, claimer: Claimer, end: str) -> None:
    first, second = enqueue(app, 2, concurrency=1)
    (job,) = claim(claimer)
    assert (job.id, claim(claimer)) == (first, [])
    if end in ("fail", "retry", "release", "cancel"):
        ways = {
            "fail": dead(job, "no"),
            "retry": Settlement(job, "r", b"no", 60_000),
            "release": released(job),
            "cancel": Settlement(job, "c", b"no"),
        }
        (after,) = claim(claimer, 10, ways[end])
        assert after.id == (second if end != "release" else after.id)
        return
    if end == "reap":
        assert app.queue("q").claim(15.0) is not None
        return
    blamed = f"q.{first.decode()}" if end == "crash" else ""
    app.settings.server.ask(giving_back(app.settings, claimer.sources, "w", blamed))
    other = app.queue("q").claim(2.0)
    assert other is not None
    assert app.queue("q").claim(0.0) is None, "both run"


def test_per_key(app: RedisQ, claimer: Claimer) -> None:
    @app.task("t", queue="q", concurrency=1, key=lambda user: user)
    def t(user: int) -> None: ...

    for n in range(9):
        t.enqueue(n % 3)
    jobs = claim(claimer)
    assert sorted(job.body for job in jobs if job.body) == [b"[[0],{}]", b"[[1],{}]", b"[[2],{}]"]
    (after,) = claim(claimer, 10, done(jobs[1]))
    assert after.body == jobs[1].body


def test_those_without_a_limit_pass_those_that_wait(app: RedisQ, claimer: Claimer) -> None:
    enqueue(app, 3, concurrency=1)
    free = enqueue(app, 2, "other")
    assert [job.id for job in claim(claimer)][1:] == free


def test_no_more_start_in_a_time_than_may(app: RedisQ) -> None:
    sent = enqueue(app, 7, limit="2/s")
    starts: list[float] = []
    queue = app.queue("q")
    while len(starts) < 7:
        delivery = queue.claim(10.0)
        assert delivery is not None
        starts.append(delivery.job.started_at.timestamp() if delivery.job.started_at else time.time())
        delivery.ack()
    for early, late in zip(starts, starts[2:], strict=False):
        assert late - early >= 0.98
    assert starts[-1] - starts[0] < 6.0
    assert len(sent) == 7


def test_a_queue_has_limits_for_all_its_jobs(app: RedisQ, claimer: Claimer) -> None:
    queue = app.queue("q")
    queue.limit(concurrency=2)
    enqueue(app, 4)
    enqueue(app, 1, "other", concurrency=1)
    jobs = claim(claimer)
    assert len(jobs) == 2
    queue.limit()
    more = claim(claimer, 10, done(jobs[0]), done(jobs[1]))
    assert len(more) == 3, "those that waited for a limit which is gone go on waiting"
    claim(claimer, 10, *map(done, more))
    assert keys(app, "slots:*") + keys(app, "turn:*") == []


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rate": "fast"}, {"concurrency": 1.5}])
def test_a_queue_takes_no_nonsense(app: RedisQ, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        app.queue("q").limit(**wrong)


def test_a_cancelled_one_leaves_the_line(app: RedisQ, claimer: Claimer) -> None:
    sent = enqueue(app, 3, concurrency=1)
    (job,) = claim(claimer)
    claim(claimer)
    assert app.job(f"q.{sent[1].decode()}").cancel().status == "cancelled"
    (after,) = claim(claimer, 10, done(job))
    assert after.id == sent[2]


def test_a_slot_whose_holder_is_forgotten_is_free(app: RedisQ, claimer: Claimer) -> None:
    enqueue(app, 1, concurrency=1)
    app.settings.server.ask([("SADD", app.queue("q").base + "slots:t", "ghost")])
    assert len(claim(claimer)) == 1


def test_what_is_broken_holds_no_job_up(app: RedisQ, claimer: Claimer) -> None:
    enqueue(app, 2, concurrency=1)
    app.settings.server.ask([("SET", app.queue("q").base + "slots:t", "text")])
    assert len(claim(claimer)) == 2


def test_a_thousand_that_wait_cost_a_claim_little(app: RedisQ, claimer: Claimer) -> None:
    enqueue(app, 1000, limit="5/h")
    claim(claimer)
    last = enqueue(app, 1, "free")
    found: list[Claimed] = []
    for _ in range(12):
        found += claim(claimer, 100)
    assert [job.id for job in found][-1:] == last


@pytest.mark.parametrize("rate", [None, "3/s", "10/5s", "100/min", "1000/h", "7/2d"])
@pytest.mark.parametrize("concurrency", [None, 20])
def test_the_limits_of_a_queue_can_be_read(app: RedisQ, rate: str | None, concurrency: int | None) -> None:
    queue = app.queue("q")
    queue.limit(rate, concurrency)
    assert queue.limits() == (rate, concurrency)
    queue.limit()
    assert queue.limits() == (None, None)
