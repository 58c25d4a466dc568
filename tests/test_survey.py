"""What is to be seen of queues and workers: figures, rates, and whatever hands have left there."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

import redisq
from redisq.claimed import Source
from redisq.claimer import Claimer, registration
from redisq.survey import QueueInfo, Survey
from tests.servers import Server
from tests.waiting import wait_until

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[redisq.RedisQ]:
    app = redisq.RedisQ(redis_url)
    yield app
    app.close()


def look(survey: Survey, name: str = "q") -> QueueInfo:
    return survey.queues([name])[0]


def later(survey: Survey, name: str = "q") -> QueueInfo:
    """A look for which the server's clock has gone on."""
    return wait_until(lambda: info if (info := look(survey, name)).in_rate is not None or info.failure_rate else None)


def end(app: redisq.RedisQ, outcome: str) -> None:
    delivery = app.queue("q").claim(timeout=5.0)
    assert delivery is not None
    if outcome == "succeeded":
        delivery.ack()
    else:
        delivery.nack("no", retry_in=None if outcome == "failed" else 60.0)


def test_a_queue_that_never_was(app: redisq.RedisQ, client: redis.Redis) -> None:
    assert look(Survey(app.settings)) == QueueInfo("q")
    assert app.queue("q").oldest() is None
    assert app.queue("q").workers() == []
    assert client.keys() == []


def test_the_oldest_is_the_next_of_those_that_wait(app: redisq.RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    for name in "abc":
        queue.options(job_id=name).put(name)
    client.hset(f"{BASE}job:a", "e", int(client.time()[0]) * 1000 - 100_000)
    info = look(Survey(app.settings))
    assert info.oldest == "q.a"
    assert 99 < (info.oldest_age or 0) < 130
    oldest = queue.oldest()
    assert oldest is not None
    assert (oldest.id, oldest.payload) == ("q.a", "a")
    client.lrem(f"{BASE}pending", 1, "b")
    client.lpush(f"{BASE}suspects", "b")
    client.hset(f"{BASE}job:b", "e", 1)
    assert look(Survey(app.settings)).oldest == "q.b"


def test_garbage_in_front_of_the_oldest(app: redisq.RedisQ, client: redis.Redis) -> None:
    app.queue("q").options(job_id="a").put(1)
    client.hset(f"{BASE}job:when", mapping={"v": 1, "e": "9" * 20})
    client.set(f"{BASE}job:text", "no hash")
    client.rpush(f"{BASE}pending", "ghost", b"\xff", "", "when", "text", "a.b")
    assert look(Survey(app.settings)).oldest == "q.a"
    client.rpush(f"{BASE}pending", *["ghost"] * 10)
    info = look(Survey(app.settings))
    assert (info.oldest, info.oldest_age, info.queued) == (None, None, 17)
    assert app.queue("q").oldest() is None


def test_a_record_whose_numbers_are_none_hides_no_other(app: redisq.RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    queue.options(job_id="sound").put(1)
    broken = {"e": "never", "d": "x", "a": b"\xff", "p": "1/x", "c": "9" * 30, "z": "-", "y": "soon"}
    for field, value in broken.items():
        queue.options(job_id=field).put({"of": field})
        client.hset(f"{BASE}job:{field}", field, value)
    assert {job.local_id for job in queue.jobs()} == {"sound", *broken}
    assert [app.job(f"q.{field}").payload for field in broken] == [{"of": field} for field in broken]


def test_jobs_of_any_status_are_the_newest_first(app: redisq.RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    states = ["succeeded", "failed", "postponed", "running", "scheduled", "queued"]
    held = []
    for number, name in enumerate(states):
        queue.options(
            job_id=name, max_attempts=2 if name == "postponed" else 1, delay=60.0 * (name == "scheduled")
        ).put(1)
        if name == "running":
            held.append(queue.claim())
        elif number < 3:
            end(app, name)
        client.hset(f"{BASE}job:{name}", "e", 1_700_000_000_000 + number)
    assert [job.local_id for job in queue.jobs()] == states[::-1]
    assert [job.local_id for job in queue.jobs(limit=3)] == states[:2:-1]
    assert held


def test_rates_are_of_what_came_and_went_since_the_last_look(app: redisq.RedisQ) -> None:
    survey, queue = Survey(app.settings), app.queue("q")
    first = look(survey)
    assert (first.in_rate, first.out_rate, first.failure_rate) == (None, None, None)
    queue.options(max_attempts=1).enqueue_many("t", [((n,), {}) for n in range(10)])
    for outcome in ("succeeded", "failed", "succeeded", "failed"):
        end(app, outcome)
    queue.options(job_id="late", delay=60.0).put(1).cancel()
    info = later(survey)
    assert info.in_rate
    assert info.out_rate == pytest.approx(info.in_rate * 5 / 11)
    assert info.failure_rate == pytest.approx(info.in_rate * 2 / 11)
    quiet = later(survey)
    assert (quiet.in_rate, quiet.out_rate, quiet.failure_rate) == (0, 0, 0)
    next(queue.jobs("failed")).retry()
    revived = later(survey)
    assert revived.in_rate
    assert revived.out_rate == 0


def test_a_retry_neither_comes_nor_goes(app: redisq.RedisQ) -> None:
    survey = Survey(app.settings)
    app.queue("q").put(1)
    look(survey)
    end(app, "postponed")
    info = later(survey)
    assert (info.in_rate, info.out_rate, info.failure_rate) == (0, 0, 0)


def test_a_rate_that_cannot_be_known_is_none(app: redisq.RedisQ) -> None:
    survey, queue = Survey(app.settings), app.queue("q")
    job = queue.put(1)
    end(app, "succeeded")
    look(survey)
    queue.options(max_attempts=1).put(2)
    end(app, "failed")
    job.delete()  # it was what the last look remembers
    info = later(survey)
    assert (info.in_rate, info.out_rate) == (None, None)
    assert info.failure_rate
    assert later(survey).out_rate == 0


def test_rates_hold_while_all_moves(app: redisq.RedisQ) -> None:
    """What the looks say that came and went is what came and went, however the looks fall between."""
    survey, queue, done = Survey(app.settings), app.queue("q"), threading.Event()
    queue.put(0)
    end(app, "succeeded")
    look(survey)

    def work() -> None:
        for _ in range(20):
            queue.options(max_attempts=1).enqueue_many("t", [((), {})] * 5)
            for outcome in ("succeeded", "failed", "succeeded"):
                end(app, outcome)
        done.set()

    def ended_and_looked_at() -> bool:
        ended, before = done.is_set(), at()
        info = look(survey)
        seconds = (at() - before) / 1000
        for i, rate in enumerate((info.in_rate, info.out_rate, info.failure_rate)):
            assert rate is not None or not seconds
            moved[i] += (rate or 0.0) * seconds
        return ended and seconds > 0

    def at() -> int:
        return survey._looks["q"].at

    moved = [0.0, 0.0, 0.0]
    worker = threading.Thread(target=work)
    worker.start()
    while not ended_and_looked_at():
        pass
    worker.join()
    assert moved == pytest.approx([100, 60, 20])


def test_waits_are_of_first_deliveries(app: redisq.RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    queue.options(job_id="a").put(1)
    queue.options(job_id="b").put(1)
    delivery = queue.claim()
    assert delivery is not None
    delivery.release()
    for _ in "ab":
        end(app, "succeeded")
    info = look(Survey(app.settings))
    assert len(info.waits) == 1
    assert 0 <= info.waits[0] < 30
    client.hset(f"{BASE}job:b", "c", 1)
    client.delete(f"{BASE}job:a")
    assert look(Survey(app.settings)).waits == ()


def test_workers_of_several_queues_are_one(redis_url: str) -> None:
    app = redisq.RedisQ(redis_url)
    for name in "pq":
        app.queue(name).put(name)
    settings = app.settings
    sources = [Source(name, app.queue(name).base) for name in "pq"]
    settings.server.ask(registration(settings, sources, "host-1-abc"))
    claimer = Claimer(settings, sources, "host-1-abc")
    claimer.exchange([], 10)
    (worker,) = Survey(settings).workers(["p", "q", "never"])
    assert (worker.name, worker.queues, worker.held) == ("host-1-abc", ("p", "q"), 2)
    assert [job.id.partition(".")[0] for job in worker.jobs] == ["p", "q"]
    assert 0 < worker.lease_left <= 30
    claimer.close()


def test_what_runs_first_comes_first_and_only_so_many(app: redisq.RedisQ) -> None:
    queue = app.queue("q")
    queue.enqueue_many("t", [((n,), {}, {"job_id": f"j{n}"}) for n in range(15)])
    held = [queue.claim() for _ in range(15)]
    (worker,) = queue.workers()
    assert worker.held == len(held) == 15
    assert [job.id for job in worker.jobs] == [f"q.j{n}" for n in range(10)]
    assert len(Survey(app.settings).workers(["q"], jobs=1)[0].jobs) == 1


@pytest.mark.parametrize("key", ["pending", "suspects", "scheduled", "dead", "ended", "workers", "state"])
def test_a_key_of_a_wrong_type_is_trouble_of_one_queue(app: redisq.RedisQ, client: redis.Redis, key: str) -> None:
    for name in "pq":
        app.queue(name).put(1)
    client.delete(f"{BASE}{key}")
    client.set(f"{BASE}{key}", "who did this")
    survey = Survey(app.settings)
    spoilt, sound = survey.queues(["q", "p"])
    assert "WRONGTYPE" in (spoilt.trouble or "")
    assert (sound.trouble, sound.queued) == (None, 1)
    assert survey.workers(["q", "p"]) == []
    client.delete(f"{BASE}{key}")
    assert look(survey).trouble is None


def test_names_are_checked_and_many_are_asked_in_portions(app: redisq.RedisQ) -> None:
    survey = Survey(app.settings)
    for names in (["a.b"], [""], ["q", "{q}"]):
        with pytest.raises(redisq.InvalidName):
            survey.queues(names)
        with pytest.raises(redisq.InvalidName):
            survey.workers(names)
    names = [f"queue-{n}" for n in range(250)]
    assert [info.name for info in survey.queues(names)] == names
    assert survey.queues([]) == survey.workers([]) == []


def test_a_look_changes_nothing(app: redisq.RedisQ, client: redis.Redis) -> None:
    app.queue("q").put(1)
    app.queue("q").put(2)
    held = app.queue("q").claim()
    before = {key: client.dump(key) for key in client.scan_iter()}
    survey = Survey(app.settings)
    survey.queues(["q"])
    survey.workers(["q"])
    assert {key: client.dump(key) for key in client.scan_iter()} == before
    assert held


def test_a_server_without_memory_is_looked_at_all_the_same(redis_url: str, new_server: type[Server]) -> None:
    server = new_server()
    app = redisq.RedisQ(server.url)
    app.queue("q").put(1)
    with server.client() as client:
        client.config_set("maxmemory", "1")
    assert look(Survey(app.settings)).queued == 1
    app.close()
