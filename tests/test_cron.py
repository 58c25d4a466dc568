"""The timetable: what can be an entry, what a tick makes, and what people do with entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from redisq import CronNotFound, InvalidName, InvalidOption, NotSerializable, RedisQ, Retention, ServerRefused
from redisq.worker.ticker import Ticker
from tests.invariants import checked_app

NINE = "0 9 * * mon-fri"
KEY = "redisq:{default}:cron"
HOUR = 3_600_000


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


@pytest.fixture
def offline() -> RedisQ:
    """Registering asks no server."""
    return RedisQ("redis://127.0.0.1:1/0", patience=0.0)


def report(day: Any = None) -> None:
    pass


def tick(app: RedisQ, name: str, *ticks: int) -> list[Any]:
    return app.settings.server.ask([app.crons[name].ticking(app.settings, ticks)])[0]


def declare(app: RedisQ, name: str, last: int | None = None) -> None:
    app.settings.server.ask([("SADD", "redisq:queues", "default"), app.crons[name].declaring(app.settings)])
    if last is not None:
        app.settings.server.ask([("HSET", KEY, f"{name}:last:{app.crons[name].mark()}", last)])


def now(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000


def made(client: redis.Redis) -> int:
    return len(list(client.scan_iter("redisq:{default}:job:*")))


# Registering


def test_a_decorator_above_the_task_leaves_it_as_it_is(offline: RedisQ) -> None:
    @offline.cron(NINE, tz="Europe/Berlin", name="morning", args=[1])
    @offline.every(timedelta(hours=2))
    @offline.task(name="report", queue="low")
    def decorated(day: int) -> int:
        return day + 1

    assert decorated(1) == 2
    assert list(offline.crons) == ["report", "morning"]
    assert {entry.queue for entry in offline.crons.values()} == {"low"}
    assert str(offline.crons["morning"].schedule) == f"{NINE} Europe/Berlin"
    assert str(offline.crons["report"].schedule) == "every 7200 s"


def test_the_plain_form_answers_the_entry(offline: RedisQ) -> None:
    task = offline.task(name="shop.<locals>.report")(report)
    entry = offline.every(60.0, task.options(max_attempts=1), queue="high", feed="news")
    assert (entry.name, entry.task, entry.queue) == ("shop.-locals-.report", task.name, "high")
    options = offline.crons[entry.name].options
    assert (options.run.max_attempts, options.feed) == (1, "news")
    first = next(entry.ticks(datetime(2026, 1, 1, tzinfo=UTC)))
    assert first == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a b"}, "name: 1 to 100"),
        ({"name": ""}, "name"),
        ({"name": "a:b"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 5}, "name"),
        ({"jitter": -1.0}, "jitter"),
        ({"jitter": float("nan")}, "jitter"),
        ({"jitter": "1"}, "jitter"),
        ({"catch_up": "some"}, "catch_up: 'none', 'last', 'all'"),
        ({"catch_up": []}, "catch_up"),
        ({"args": "text"}, "args"),
        ({"args": 5}, "args"),
        ({"kwargs": [1]}, "kwargs"),
        ({"delay": 5.0}, "job_id, delay, at, durability"),
        ({"at": datetime(2030, 1, 1, tzinfo=UTC)}, "job_id, delay, at, durability"),
        ({"job_id": "x"}, "job_id, delay, at, durability"),
        ({"durability": "fsync"}, "job_id, delay, at, durability"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"colour": "red"}, "unknown option: colour"),
        ({"tz": "Mars"}, "not a time zone"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_once(offline: RedisQ, options: Any, words: str) -> None:
    task = offline.task(report)
    with pytest.raises(InvalidOption, match=words):
        offline.cron(NINE, task, **options)
    assert not offline.crons


def test_other_mistakes_are_refused_too(offline: RedisQ) -> None:
    task = offline.task(report)
    offline.every(60, task, name="a")
    with pytest.raises(InvalidOption, match="has an entry 'a' already"):
        offline.cron(NINE, task, name="a")
    with pytest.raises(InvalidOption, match=r"stand above app\.task"):
        offline.every(60)(report)  # type: ignore[type-var]
    with pytest.raises(InvalidName):
        offline.every(60, task, name="b", queue="no queue")
    with pytest.raises(NotSerializable):
        offline.every(60, task, name="b", args=[object()])


def test_an_app_with_other_settings_has_the_same_entries(offline: RedisQ) -> None:
    offline.every(60, offline.task(report), args=[1])
    assert dict(offline.replace(lease=1.0).crons) == dict(offline.crons)


# Ticks


def test_a_tick_ahead_is_a_scheduled_job_that_says_which(app: RedisQ, client: redis.Redis) -> None:
    app.every(3600.0, app.task(name="report")(report), args=[7], kwargs={"x": 1}, max_attempts=1)
    declare(app, "report")
    ahead = (now(client) // HOUR + 1) * HOUR
    assert tick(app, "report", ahead)[1:] == [ahead, None]
    (job,) = app.queue("default").jobs()
    moment = datetime.fromtimestamp(ahead / 1000, UTC)
    assert job.id == f"default.cron.report.{moment:%Y%m%dT%H%M%SZ}"
    assert (job.task, job.args, job.kwargs, job.status) == ("report", [7], {"x": 1}, "scheduled")
    assert client.zscore("redisq:{default}:scheduled", job.local_id) == ahead
    assert datetime.strptime(job.id.rpartition(".")[2], "%Y%m%dT%H%M%S%z") == moment


def test_a_tick_is_taken_once_also_when_its_record_is_gone(app: RedisQ, client: redis.Redis) -> None:
    app.every(1.0, app.task(name="report")(report))
    past = now(client) // 1000 * 1000 - 60_000
    declare(app, "report", last=past - 1000)
    assert tick(app, "report", past)[1] == past
    assert app.queue("default").purge() == 1
    for job in app.queue("default").jobs():
        job.delete()
    assert made(client) == 0
    assert tick(app, "report", past - 1000, past)[1] == past
    assert made(client) == 0


def test_jitter_is_within_its_bound_and_the_same_for_all(app: RedisQ, client: redis.Redis) -> None:
    app.every(3600.0, app.task(name="report")(report), jitter=600.0)
    declare(app, "report")
    hour = now(client) // HOUR * HOUR
    ticks = [hour + n * HOUR for n in range(1, 21)]
    tick(app, "report", *ticks)
    dues = [client.zscore("redisq:{default}:scheduled", app.crons["report"].job(at).local_id) for at in ticks]
    late = [due - at for due, at in zip(dues, ticks, strict=True)]
    assert all(0 <= ms <= 600_000 for ms in late)
    assert len(set(late)) > 10
    again = tuple(app.replace().crons["report"].ticking(app.settings, ticks))
    own = tuple(app.crons["report"].ticking(app.settings, ticks))
    nonces = [i for i, (one, other) in enumerate(zip(own, again, strict=True)) if one != other]
    assert len(nonces) == len(ticks)  # nothing else differs


def test_a_clock_that_was_set_back_by_more_than_an_hour_starts_anew(app: RedisQ, client: redis.Redis) -> None:
    app.every(1.0, app.task(name="report")(report))
    at = now(client) // 1000 * 1000 + 3000
    declare(app, "report", last=at + HOUR // 2)
    assert tick(app, "report", at)[1] == at + HOUR // 2
    declare(app, "report", last=at + 2 * HOUR)
    assert tick(app, "report", at)[1] == at
    assert made(client) == 1


def test_a_feed_that_is_full_keeps_the_tick_for_later(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url, retention=Retention(feed=1))
    app.every(1.0, app.task(name="report")(report), feed="news")
    first = now(client) // 1000 * 1000 - 10_000
    declare(app, "report", last=first - 1000)
    app.queue("default").options(feed="news").put(1).cancel()
    answer = tick(app, "report", first)
    assert answer[1] == first - 1000
    assert answer[2].startswith(b"FEEDFULL")
    delivery = app.feed("news").claim(timeout=5.0)
    assert delivery is not None
    delivery.ack()
    assert tick(app, "report", first)[1:] == [first, None]
    app.close()


def test_a_key_of_a_wrong_type_changes_nothing(app: RedisQ, client: redis.Redis) -> None:
    app.every(1.0, app.task(name="report")(report))
    declare(app, "report", last=0)
    client.set("redisq:{default}:pending", "x")
    with pytest.raises(ServerRefused, match="WRONGTYPE"):
        tick(app, "report", 1000)
    client.delete("redisq:{default}:pending")
    assert tick(app, "report", 1000)[1] == 1000


def test_a_schedule_that_went_is_forgotten_after_a_week(app: RedisQ, client: redis.Redis) -> None:
    app.every(60.0, app.task(name="report")(report))
    declare(app, "report")
    ago = now(client)
    client.hset(KEY, mapping={"report:last:old": ago - 8 * 24 * HOUR, "report:last:new": ago - 6 * 24 * HOUR})
    client.hset(KEY, "report.b:last:old", 5)
    declare(app, "report")
    fields = {field.decode() for field in client.hkeys(KEY)}
    assert fields == {
        f"report:last:{app.crons['report'].mark()}",
        "report:last:new",
        "report:spec",
        "report.b:last:old",
    }


# Looking and acting


def test_entries_tell_their_last_and_next_ticks(app: RedisQ, client: redis.Redis) -> None:
    task = app.task(name="report")(report)
    entry = app.every(3600.0, task, queue="default")
    app.cron(NINE, task, name="nine", queue="low")
    assert [entry.name for entry in app.cron_entries()] == ["report", "nine"]
    assert entry.refresh().last is None
    declare(app, "report")
    hour = now(client) // HOUR * HOUR
    assert not entry.refresh().overdue
    tick(app, "report", hour + HOUR)
    looked = app.cron_entries()[0]
    assert looked.last == looked.next == datetime.fromtimestamp(hour / 1000 + 3600, UTC)
    assert looked.last_job
    assert app.job(looked.last_job).status == "scheduled"
    (stored,) = app.timetable("default").entries()
    assert (stored.name, stored.schedule, stored.last) == ("report", "every 3600 s", looked.last)
    assert stored.definition == app.crons["report"]


def test_an_entry_that_nobody_sees_to_is_overdue(app: RedisQ, client: redis.Redis) -> None:
    entry = app.every(3600.0, app.task(name="report")(report))
    declare(app, "report", last=now(client) - 3 * HOUR)
    assert entry.refresh().overdue
    assert not entry.pause().overdue


def test_a_pause_passes_over_ticks_for_good_and_takes_back_the_next(app: RedisQ, client: redis.Redis) -> None:
    entry = app.every(1.0, app.task(name="report")(report))
    at = now(client) // 1000 * 1000
    declare(app, "report", last=at - 5000)
    tick(app, "report", at - 4000)
    tick(app, "report", at + 3000)
    assert app.queue("default").counts()["scheduled"] == 1
    paused = entry.pause()
    assert paused.paused
    assert paused.next is None
    assert app.queue("default").counts()["scheduled"] == 0
    assert app.job(f"default.{app.crons['report'].job(at + 3000).local_id}").error == "paused"
    resumed = entry.resume()
    assert not resumed.paused
    assert resumed.next is not None
    assert tick(app, "report", at + 3000, at + 4000)[1] == at + 4000
    assert app.queue("default").counts() == {"scheduled": 1, "queued": 1, "running": 0, "failed": 0}


def test_a_tick_that_comes_after_the_pause_waits_for_its_end(app: RedisQ, client: redis.Redis) -> None:
    entry = app.every(1.0, app.task(name="report")(report))
    at = now(client) // 1000 * 1000
    declare(app, "report", last=at - 3000)
    entry.pause()
    assert tick(app, "report", at - 2000, at - 1000, at + 5000)[1] == at - 1000
    entry.resume()
    assert tick(app, "report", at + 5000)[1] == at + 5000
    assert made(client) == 1


def test_a_pause_leaves_a_retry_of_the_last_tick_alone(app: RedisQ, client: redis.Redis) -> None:
    entry = app.every(1.0, app.task(name="report")(report))
    past = now(client) // 1000 * 1000 - 5000
    declare(app, "report", last=past - 1000)
    tick(app, "report", past)
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    delivery.nack("no", retry_in=60.0)
    entry.pause()
    assert delivery.job.refresh().status == "scheduled"


def test_run_enqueues_a_job_beside_the_ticks(app: RedisQ) -> None:
    entry = app.every(60.0, app.task(name="report")(report), args=[5], timeout=7.0)
    entry.pause()
    jobs = [entry.run(), entry.run()]
    assert len({job.id for job in jobs}) == 2
    assert [(job.task, job.args, job.status) for job in jobs] == [("report", [5], "queued")] * 2
    assert entry.refresh().last is None


def test_forgetting_leaves_nothing_and_touches_no_other(app: RedisQ, client: redis.Redis) -> None:
    task = app.task(name="report")(report)
    entry = app.every(60.0, task, name="a")
    app.every(60.0, task, name="a.b")
    declare(app, "a")
    declare(app, "a.b")
    entry.pause()
    entry.forget()
    assert [entry.name for entry in app.timetable("default").entries()] == ["a.b"]
    assert not [field for field in client.hkeys(KEY) if field.startswith(b"a:")]
    assert len(tick(app, "a", 1000)) == 1  # it is to be declared again
    with pytest.raises(CronNotFound):
        app.timetable("default").find("a")


def test_what_hands_have_written_hides_no_other_entry(app: RedisQ, client: redis.Redis) -> None:
    app.every(60.0, app.task(name="report")(report))
    declare(app, "report")
    client.hset(KEY, "b:spec", b"\xff{")
    client.hset(KEY, "c:spec", b'{"name": 5}')
    client.hset(KEY, b"\xff\xfe", b"\xff")
    client.hset(KEY, "report:tick", b"\xff")
    client.hset(KEY, f"report:last:{app.crons['report'].mark()}", "x")
    client.hset(KEY, "report:pause", "x")
    (entry,) = app.timetable("default").entries()
    assert (entry.name, entry.last, entry.paused, entry.overdue) == ("report", None, False, False)


def test_a_worker_without_entries_sends_nothing(app: RedisQ) -> None:
    class Server:
        def call(self, *_: Any, **__: Any) -> None:
            raise AssertionError("it asked the server")

    class Settings:
        server = Server()

    Ticker(Settings(), []).look()  # type: ignore[arg-type]
