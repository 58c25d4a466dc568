"""Samples of the queues: what they tell, who takes them, what is rolled up and forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redisq_api import clock, history
from redisq_api.database import Database
from redisq_api.history import Sample, Sampler

import redisq
from tests.api.conftest import Client
from tests.api.working import post, work

STEP = 10 * clock.SECOND
COARSE = 300 * clock.SECOND


class Clock:
    """The service's time, which a test moves."""

    def __init__(self) -> None:
        self.now = clock.now() // COARSE * COARSE

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """At a round five minutes."""
    time = Clock()
    monkeypatch.setattr(clock, "now", time)
    return time


def test_a_sample_tells_what_waits_ends_and_fails(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    sampler = Sampler(database, app)
    queue = app.queue("default")
    for value in "abc":
        queue.enqueue("shout", value)
    assert sampler.sample()
    (first,) = history.series(database, "default", "hour")
    assert (first.at, first.depth, first.done, first.failed, first.latency) == (time.now, 3, None, None, None)
    assert first.oldest is not None
    assert first.oldest >= 0
    work(app)
    delivery = queue.claim(timeout=5.0)
    assert delivery is not None
    delivery.nack(redisq.GiveUp("no"))
    time.now += STEP
    assert sampler.sample()
    second = history.series(database, "default", "hour")[-1]
    assert (second.at, second.depth) == (time.now, 1)
    assert second.done is not None
    assert second.done == second.failed
    assert second.done > 0
    assert second.latency is not None
    assert 0 <= second.latency < 60


def test_what_waits_in_the_outbox_counts_too(
    database: Database, app: redisq.RedisQ, make: Callable[..., Client], time: Clock
) -> None:
    post(make("ann"), ["a", "b"])
    app.queue("default").enqueue("shout", "c")
    time.now += 70 * clock.SECOND // STEP * STEP
    assert Sampler(database, app).sample()
    (sample,) = history.series(database, "default", "hour")
    assert sample.depth == 3
    assert sample.oldest == pytest.approx(70, abs=11)


def test_nothing_is_due_between_two_samples(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    sampler = Sampler(database, app)
    assert sampler.sample()
    time.now += STEP - 1
    assert not sampler.sample()
    time.now += 1
    assert sampler.sample()


def test_one_samples_and_another_takes_over_when_it_is_gone(
    database: Database, app: redisq.RedisQ, time: Clock
) -> None:
    one, other = Sampler(database, app), Sampler(database, app)
    assert one.sample()
    for _ in range(5):
        time.now += STEP
        assert one.sample()
        assert not other.sample()
    time.now += 3 * STEP
    assert other.sample()
    assert not one.sample()
    times = [sample.at for sample in history.series(database, "default", "hour")]
    assert times[-1] - times[-2] == 3 * STEP, "what nobody sampled is a gap"


def test_a_day_has_the_means_of_five_minutes(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    for index in range(60):  # the two steps of five minutes before now
        add(database, "default", time.now - index * STEP, depth=10 if index < 30 else 20, oldest=index)
    assert Sampler(database, app).sample()
    earlier, later = history.series(database, "default", "day")
    assert (earlier.at, earlier.depth, earlier.oldest) == (time.now - COARSE, 20, 59)
    assert (later.at, later.oldest, later.done) == (time.now, 29, None)
    assert later.depth == 10


def test_five_minutes_are_rolled_up_once_and_by_one(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    add(database, "default", time.now, depth=10)
    assert Sampler(database, app).sample()
    time.now += COARSE
    assert Sampler(database, app).sample()
    assert [sample.at for sample in history.series(database, "default", "day")] == [time.now - COARSE, time.now]


def test_the_old_is_forgotten(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    hour, day = 3600 * clock.SECOND, 86400 * clock.SECOND
    add(database, "default", time.now - hour, depth=1)
    add(database, "default", time.now - hour + STEP, depth=2)
    add(database, "default", time.now - day, depth=3, step=COARSE)
    assert Sampler(database, app).sample()
    rows = database.all("SELECT depth FROM history WHERE depth > 0 AND step = ?", STEP)
    assert rows == [(2,)]
    assert database.all("SELECT depth FROM history WHERE depth = 3") == []


def test_a_series_ends_with_its_window(database: Database, time: Clock) -> None:
    add(database, "default", time.now - 3600 * clock.SECOND, depth=1)
    add(database, "default", time.now - STEP, depth=2)
    add(database, "high", time.now, depth=9)
    assert [sample.depth for sample in history.series(database, "default", "hour")] == [2]
    assert history.series(database, "nowhere", "day") == []


def test_all_queues_together(database: Database, time: Clock) -> None:
    add(database, "default", time.now, depth=1, oldest=5)
    add(database, "high", time.now, depth=2, oldest=7)
    assert history.series(database, None, "hour") == [Sample(time.now, 3, 7, None, None, None)]


def test_a_queue_that_cannot_be_read_is_left_out(database: Database, app: redisq.RedisQ, time: Clock) -> None:
    app.queue("high").enqueue("shout", "a")
    app.settings.server.call([("DEL", "redisq:{high}:pending"), ("SET", "redisq:{high}:pending", "x")], 5.0)
    assert Sampler(database, app).sample()
    assert history.series(database, "high", "hour") == []
    assert len(history.series(database, "default", "hour")) == 1


def add(database: Database, queue: str, at: int, depth: float, oldest: float = 0.0, step: int = STEP) -> None:
    """A sample of which rates and latency are not known."""
    with database.write():
        database.run(
            "INSERT INTO history (queue, step, at, depth, oldest) VALUES (?, ?, ?, ?, ?)",
            queue, step, at, depth, oldest,
        )  # fmt: skip
