"""Tickers of many workers, on a real server whose scripts read a clock that the tests turn: each tick makes one job."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import redis

from redisq import RedisQ
from redisq.connection import CallLost
from redisq.worker.ticker import Ticker
from tests.model import clock as turned
from tests.model.clock import Clock

BASE = "redisq:{default}:"
HOUR = 3_600_000


@pytest.fixture
def world(redis_url: str, client: redis.Redis) -> Iterator[World]:
    with turned.in_place():
        world = World(redis_url, client)
        yield world
        world.app.close()


class World:
    """A server with a clock, and what was made on it. `made`: how often each job id was seen when it was
    due. `tombstone`: for how long a record is kept then, in ms; a real one stays longer.
    """

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.app = RedisQ(url)
        self.clock = Clock(client)
        self.made: Counter[str] = Counter()
        self.monotonic_offset = 0.0
        self.tombstone = 0
        self._ended: list[tuple[int, str]] = []
        self._client = client

    def set(self, text: str) -> None:
        self.clock.turn(int(datetime.fromisoformat(text).timestamp() * 1000) - self.clock.now)

    def monotonic(self, ahead: float = 0.0, rate: float = 1.0) -> Callable[[], float]:
        """A worker's own clock, which began somewhere, and may go a little wrong."""
        return lambda: (self.clock.now / 1000 - 1.7e9 + self.monotonic_offset) * rate + ahead

    def harvest(self) -> None:
        """Run all that is due, and let even its record be gone."""
        due = self._client.zrangebyscore(f"{BASE}scheduled", "-inf", self.clock.now)
        for raw in [*due, *self._client.lrange(f"{BASE}pending", 0, -1)]:
            self.made[raw.decode()] += 1
            self._ended.append((self.clock.now, f"{BASE}job:{raw.decode()}"))
            self._client.zrem(f"{BASE}scheduled", raw)
        self._client.delete(f"{BASE}pending", f"{BASE}wake")
        while self._ended and self._ended[0][0] <= self.clock.now - self.tombstone:
            self._client.delete(self._ended.pop(0)[1])

    def let_pass(self, seconds: float, tickers: Sequence[Ticker] = (), step: float = 2.0) -> list[str]:
        """Names of the jobs made meanwhile, in order of their ticks."""
        before = set(self.made)
        for _ in range(int(seconds / step)):
            for ticker in tickers:
                ticker.look()
            self.clock.turn(int(step * 1000))
            self.harvest()
        return sorted(set(self.made) - before)


class Failing:
    """The server, behind a network that loses calls before they arrive, and answers after."""

    def __init__(self, server: Any, chance: random.Random) -> None:
        self._server = server
        self._chance = chance

    def call(self, commands: Sequence[Any], patience: float) -> Any:
        fate = self._chance.random()
        if fate < 0.1:
            raise CallLost("lost", sent=False)
        replies = self._server.call(commands, patience)
        if fate < 0.2:
            raise CallLost("lost", sent=True)
        return replies


def task() -> None:
    pass


def stamps(names: Sequence[str]) -> list[str]:
    """Hours and minutes, UTC."""
    return [name[-7:-3] for name in names]


def every(minutes: int, start: int, end: int) -> list[str]:
    """Hours and minutes from `start` to `end`, in minutes of the day."""
    return [f"{minute // 60 % 24:02}{minute % 60:02}" for minute in range(start, end + 1, minutes)]


SPRING = {
    "often": ("*/20 * * * *", every(20, 20, 1420)),
    "daily": ("30 2 * * *", ["0100"]),  # in the skipped hour: right after it
    "some": ("0,30 1-3 * * *", ["0030", "0100", "0130", "2300", "2330"]),
    "wild": ("*/20 2 * * *", []),
    "noon": ("0 12 * * *", ["1000"]),
}
AUTUMN = {
    "often": ("*/20 * * * *", every(20, 20, 1420)),
    "daily": ("30 2 * * *", ["0030"]),  # in the doubled hour: at the first
    "some": ("0,30 1-3 * * *", ["0030", "0200", "0230"]),
    "wild": ("*/20 2 * * *", ["0020", "0040", "0100", "0120", "0140"]),
    "noon": ("0 12 * * *", ["1100"]),
}


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-03-29", SPRING), ("2026-10-25", AUTUMN)], ids=["spring", "autumn"]
)
def test_fifty_workers_on_a_day_on_which_the_clocks_change(world: World, day: str, expected: Any) -> None:
    """They come and go, their own clocks are wrong, and a fifth of their calls is lost."""
    chance = random.Random(7)
    for name, (expression, _) in expected.items():
        world.app.cron(
            expression, world.app.tasks.get("t") or world.app.task(name="t")(task), name=name, tz="Europe/Berlin"
        )
    settings = msgspec.structs.replace(world.app.settings, server=Failing(world.app.settings.server, chance))

    def worker() -> Ticker:
        own = world.monotonic(ahead=chance.uniform(-1e4, 1e4), rate=chance.uniform(0.999, 1.001))
        return Ticker(settings, list(world.app.crons.values()), own)

    world.set(f"{day}T00:00:00+00:00")
    workers = [worker() for _ in range(50)]
    for ticker in workers:
        ticker.look()
    for _ in range(24 * 6 - 1):
        for step in (592, *[2] * 4):  # closely around each tenth minute; all ticks are there
            world.clock.turn(step * 1000)
            for ticker in chance.sample(workers, 5):
                ticker.look()
        for _ in range(3):  # some die, wherever they are, and others come
            workers[chance.randrange(50)] = worker()
        world.harvest()
    world.harvest()
    assert set(world.made.values()) == {1}
    for name, (_, ticks) in expected.items():
        assert sorted(stamps([made for made in world.made if made.startswith(f"cron.{name}.")])) == sorted(ticks), name


def test_a_worker_that_is_killed_between_any_two_steps(world: World) -> None:
    """Before its call arrives, after it, or after its answer: the next one goes on from there, and no tick is lost."""
    world.app.every(60.0, world.app.task(name="t")(task), catch_up="all")
    chance = random.Random(3)
    settings = msgspec.structs.replace(world.app.settings, server=Failing(world.app.settings.server, chance))
    entries = list(world.app.crons.values())
    Ticker(world.app.settings, entries, world.monotonic()).look()
    for _ in range(300):
        ticker = Ticker(settings, entries, world.monotonic())
        for _ in range(chance.randrange(5)):
            ticker.look()
        seconds = chance.choice([1, 7, 61, 200])
        world.let_pass(seconds, step=seconds)
    world.let_pass(300, [Ticker(world.app.settings, entries, world.monotonic())])
    assert set(world.made.values()) == {1}
    ticks = sorted(world.made)
    moments = [datetime.strptime(name.rpartition(".")[2], "%Y%m%dT%H%M%S%z").timestamp() for name in ticks]
    assert [later - earlier for earlier, later in pairwise(moments)] == [60.0] * (len(ticks) - 1)
    assert len(ticks) > 300


def test_the_tick_is_there_before_its_time_and_not_before_the_one_before(world: World) -> None:
    world.app.every(60.0, world.app.task(name="t")(task))
    ticker = Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic(), early=5.0)
    ticker.look()
    world.set("2023-11-20T12:00:01+00:00")
    ahead = []
    for _ in range(580):
        world.clock.turn(100)
        ticker.look()
        jobs = list(world.app.queue("default").jobs("scheduled"))
        assert len(jobs) <= 1
        if jobs:
            ahead.append(jobs[0].local_id)
    assert len(set(ahead)) == 1
    assert 38 <= len(ahead) <= 41  # of the last five seconds four, ten looks each


@pytest.mark.parametrize(
    ("catch_up", "ticks"), [("none", []), ("last", ["2240"]), ("all", ["2210", "2220", "2230", "2240"])]
)
def test_what_becomes_of_ticks_while_no_worker_ran(world: World, catch_up: str, ticks: list[str]) -> None:
    world.set("2023-11-20T21:55:00+00:00")
    world.app.every(600.0, world.app.task(name="t")(task), catch_up=catch_up)
    entries = list(world.app.crons.values())
    first = Ticker(world.app.settings, entries, world.monotonic())
    assert stamps(world.let_pass(310, [first])) == ["2200"]
    assert world.let_pass(2680, step=60) == []
    others = [Ticker(world.app.settings, entries, world.monotonic()) for _ in range(5)]
    assert stamps(world.let_pass(60, others)) == ticks
    assert stamps(world.let_pass(600, others)) == ["2250"]
    assert set(world.made.values()) == {1}


def test_a_new_entry_makes_up_for_nothing(world: World) -> None:
    world.app.cron("@daily", world.app.task(name="t")(task), catch_up="all")
    ticker = Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic())
    assert world.let_pass(300, [ticker]) == []


def test_a_thousand_missed_ticks_at_most(world: World) -> None:
    world.app.every(1.0, world.app.task(name="t")(task), catch_up="all")
    entries = list(world.app.crons.values())
    world.let_pass(3, [Ticker(world.app.settings, entries, world.monotonic())])
    world.let_pass(5000, step=1000)
    begin = len(world.made)
    world.let_pass(5, [Ticker(world.app.settings, entries, world.monotonic()) for _ in range(3)], step=0.1)
    assert 1000 <= len(world.made) - begin <= 1007
    assert set(world.made.values()) == {1}


def test_two_versions_of_the_code_at_once(world: World) -> None:
    """Each sees to its own ticks, whichever is started again; ticks that both have are made once."""
    world.set("2023-11-20T00:05:00+00:00")
    world.tombstone = 60_000
    old, new = RedisQ(world.app.settings.server.url), RedisQ(world.app.settings.server.url)
    old.cron("0,10,20 * * * *", old.task(name="t")(task), catch_up="all")
    new.cron("10,20,30 * * * *", new.task(name="t")(task), catch_up="all")
    chance = random.Random(1)

    def worker() -> Ticker:
        return Ticker(world.app.settings, list(chance.choice([old, new]).crons.values()), world.monotonic())

    both = [Ticker(world.app.settings, list(app.crons.values()), world.monotonic()) for app in (old, new)]
    for ticker in both:
        ticker.look()
    workers = [worker() for _ in range(8)]
    for _ in range(3 * 60):
        workers[chance.randrange(8)] = worker()
        world.let_pass(60, [*both, *workers], step=4)
    assert stamps(sorted(world.made)) == [
        *("0010", "0020", "0030", "0100", "0110", "0120", "0130"),
        *("0200", "0210", "0220", "0230", "0300"),
    ]
    assert set(world.made.values()) == {1}
    # the old one is gone: none of its ticks comes any more
    assert stamps(world.let_pass(3600, [both[1]])) == ["0310", "0320", "0330"]
    old.close()
    new.close()


def test_of_an_entry_that_is_gone_at_most_one_job_is_still_to_come(world: World) -> None:
    world.app.every(2.0, world.app.task(name="t")(task))
    workers = [Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic()) for _ in range(5)]
    world.let_pass(20, workers, step=0.5)
    for ticker in workers:
        ticker.look()
    assert len(world.let_pass(60)) <= 1


def test_ticks_of_a_pause_are_passed_over_by_all(world: World) -> None:
    world.set("2023-11-20T00:00:30+00:00")
    entry = world.app.every(60.0, world.app.task(name="t")(task), catch_up="all")
    workers = [Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic()) for _ in range(5)]
    assert stamps(world.let_pass(88, workers)) == ["0001"]  # 00:01:58: the next one is ahead
    entry.pause()
    assert [name for name in world.let_pass(182, workers) if world.made[name]] == []
    entry.resume()  # 00:05:00
    assert stamps(world.let_pass(125, workers)) == ["0006", "0007"]
    entry.pause()
    world.let_pass(180)  # nobody runs
    entry.resume()
    later = [Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic()) for _ in range(5)]
    assert stamps(world.let_pass(60, later)) == ["0011"]


def test_a_server_that_lost_everything_is_told_again(world: World, client: redis.Redis) -> None:
    world.app.every(60.0, world.app.task(name="t")(task))
    ticker = Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic())
    assert len(world.let_pass(120, [ticker])) == 2
    client.flushall()
    world.clock.turn(0)
    assert len(world.let_pass(180, [ticker])) >= 2
    assert [entry.name for entry in world.app.timetable("default").entries()] == ["t"]
    assert client.sismember("redisq:queues", "default")
    assert set(world.made.values()) == {1}


@pytest.mark.parametrize("hours", [-3, -0.5, 3])
def test_a_servers_clock_that_is_set(world: World, hours: float) -> None:
    """Back by less than an hour: silence until it has caught up. By more: on with the new time. Never twice for a tick
    whose job is known, and soon.
    """
    world.set("2023-11-20T12:00:30+00:00")
    world.app.every(60.0, world.app.task(name="t")(task))
    ticker = Ticker(world.app.settings, list(world.app.crons.values()), world.monotonic())
    world.let_pass(600, [ticker])
    world.monotonic_offset -= hours * 3600
    world.clock.turn(int(hours * HOUR))
    made = world.let_pass(600, [ticker])
    assert len(made) == (0 if hours == -0.5 else pytest.approx(10, abs=2))
    assert set(world.made.values()) == {1}


def test_one_bad_entry_holds_up_no_other(world: World, client: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(msgspec.Struct, frozen=True):
        def ticks(self, after: int) -> Any:
            raise OverflowError("date value out of range")

    handler = world.app.task(name="t")(task)
    world.app.every(1.0, handler, name="broken", queue="broken")
    world.app.every(1.0, handler, name="wrong")
    world.app.every(1.0, handler, name="right", catch_up="all")
    client.set("redisq:{broken}:pending", "x")
    entries = dict(world.app.crons)
    entries["wrong"] = msgspec.structs.replace(entries["wrong"], schedule=Wrong())
    ticker = Ticker(world.app.settings, list(entries.values()), world.monotonic())
    assert len(world.let_pass(30, [ticker], step=0.1)) == 30
    assert {name.split(".")[1] for name in world.made} == {"right"}
    events = [record.getMessage() for record in caplog.records]
    assert [event.split()[:3] for event in events] == [
        ["cron.broken", "entry=wrong"],
        ["cron.trouble", "entry=broken", "queue=broken"],
    ]
