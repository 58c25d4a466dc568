"""What producers and operators do with a queue."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from redisq import (
    InvalidName,
    InvalidOption,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobRunning,
    NotSerializable,
    PayloadTooLarge,
    RedisQ,
    RedisQError,
    Retention,
    ServerRefused,
    WaitTimeout,
)
from tests.invariants import checked_app
from tests.waiting import wait_until

BASE = "redisq:{q}:"
NONE = {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def counts(app: RedisQ, **expected: int) -> bool:
    return app.queue("q").counts() == NONE | expected


def fail(app: RedisQ, job_id: str, error: str = "no") -> Job:
    """A dead letter."""
    job = app.queue("q").options(job_id=job_id, max_attempts=1).enqueue("t")
    delivery = app.queue("q").claim()
    assert delivery is not None
    assert delivery.job.id == job.id
    delivery.nack(error)
    return job.refresh()


def finish(app: RedisQ, job_id: str, result: Any = None, **options: Any) -> Job:
    job = app.queue("q").options(job_id=job_id, **options).enqueue("t")
    delivery = app.queue("q").claim()
    assert delivery is not None
    delivery.ack(result)
    return job


# Enqueue


def test_a_job_is_what_was_enqueued(app: RedisQ) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    job = app.queue("q").enqueue("resize", 7, [1, {"a": None}], width=100)
    for seen in (job, job.refresh(), app.job(job.id)):
        assert (seen.id, seen.queue, seen.task) == (job.id, "q", "resize")
        assert (seen.args, seen.kwargs, seen.payload) == ([7, [1, {"a": None}]], {"width": 100}, None)
        assert (seen.status, seen.result, seen.error, seen.attempt, seen.progress) == ("queued", None, None, 1, None)
        assert seen.created_at is not None
        assert before < seen.created_at < before + timedelta(seconds=10)
        assert (seen.started_at, seen.finished_at) == (None, None)
    assert job.id.startswith("q.")
    assert (job.created, job.refresh().created) == (True, False)


@pytest.mark.parametrize("payload", [None, 0, "", [], {}, False, "text", [[1], {}], {"task": "x"}, [[], {}], "ä\0\n"])
def test_any_json_value_is_a_payload(app: RedisQ, payload: Any) -> None:
    job = app.queue("q").put(payload)
    assert job.payload == payload
    assert job.task is None
    delivery = app.queue("q").claim()
    assert delivery is not None
    assert delivery.job.payload == payload
    assert (delivery.job.task, delivery.job.args, delivery.job.kwargs) == (None, None, None)
    delivery.ack()


def test_names_of_arguments_that_the_library_uses_itself_are_free(app: RedisQ) -> None:
    names = dict.fromkeys(("task", "queue", "delay", "job_id", "args", "kwargs", "self", "name", "payload"), 1)
    assert app.queue("q").enqueue("t", **names).kwargs == names
    assert app.queue("q").options(delay=0.0).enqueue("t", **names).kwargs == names
    task = app.task("t")(lambda **kwargs: kwargs)
    assert task.enqueue(**names).kwargs == names
    assert task.options(delay=0.0).enqueue(**names).kwargs == names
    assert task(**names) == names


def test_first_in_first_out(app: RedisQ) -> None:
    queue = app.queue("q")
    sent = [queue.put(n).id for n in range(20)] + [
        job.id for job in queue.enqueue_many("t", [((n,), {}) for n in range(600)])
    ]
    got = [delivery.job.id for delivery in iter(lambda: queue.claim(0.0), None) if delivery.ack() is None]
    assert got == sent


def test_what_json_cannot_hold_is_refused_before_it_is_sent(app: RedisQ, client: redis.Redis) -> None:
    for wrong in (object(), {1, 2}.__iter__(), "\ud800"):
        with pytest.raises(NotSerializable):
            app.queue("q").enqueue("t", wrong)
        with pytest.raises(NotSerializable):
            app.queue("q").put(wrong)
        with pytest.raises(NotSerializable):
            app.queue("q").enqueue_many("t", [((), {"x": wrong})])
    assert not list(client.scan_iter("*"))


def test_the_limit_of_a_payload_is_exact(app: RedisQ) -> None:
    queue = app.queue("q")
    most = 4 * 1024 * 1024
    assert len(queue.put("x" * (most - 2)).payload) == most - 2
    with pytest.raises(PayloadTooLarge):
        queue.put("x" * (most - 1))
    with pytest.raises(PayloadTooLarge):
        queue.enqueue("t", "x" * most)
    assert counts(app, queued=1)
    queue.purge()


@pytest.mark.parametrize("task", ["", "a\nb", "x" * 257, None, 7])
def test_a_task_needs_a_name(app: RedisQ, task: Any) -> None:
    with pytest.raises(InvalidName):
        app.queue("q").enqueue(task)
    with pytest.raises(InvalidName):
        app.queue("q").enqueue_many(task, [((), {})])


@pytest.mark.parametrize("call", [((), None), ((), [1]), ("ab", {}), (5, {}), ((), {}, {}, {}), (1, 2)])
def test_a_call_of_another_form_is_refused(app: RedisQ, call: Any) -> None:
    with pytest.raises(InvalidOption, match="a call is"):
        app.queue("q").enqueue_many("t", [call])


# Known by its id


def test_the_same_id_makes_one_job_and_answers_the_first(app: RedisQ) -> None:
    queue = app.queue("q")
    first = queue.options(job_id="a").enqueue("t", 1)
    again = queue.options(job_id="a", delay=60.0).enqueue("other", 2)
    assert first.id == again.id == "q.a"
    assert (first.created, again.created) == (True, False)
    assert (again.task, again.args, again.status) == ("t", [1], "queued")
    assert counts(app, queued=1)


def test_the_same_id_twice_in_one_call_makes_one_job(app: RedisQ) -> None:
    jobs = app.queue("q").enqueue_many("t", [((1,), {}, {"job_id": "a"}), ((2,), {}, {"job_id": "a"}), ((3,), {})])
    assert [job.created for job in jobs] == [True, False, True]
    assert [job.args for job in jobs] == [[1], [1], [3]]
    assert counts(app, queued=2)


def test_many_producers_of_one_id_make_one_job(app: RedisQ) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: app.queue("q").options(job_id="a").enqueue("t", n), range(64)))
    assert [job.created for job in jobs].count(True) == 1
    assert len({str(job.args) for job in jobs}) == 1
    assert counts(app, queued=1)


def test_one_id_in_two_queues_is_two_jobs(app: RedisQ) -> None:
    one, two = app.queue("q").options(job_id="a").put(1), app.queue("p").options(job_id="a").put(2)
    assert (one.created, two.created) == (True, True)
    assert (app.job("q.a").payload, app.job("p.a").payload) == (1, 2)


def test_two_namespaces_share_nothing(app: RedisQ, redis_url: str) -> None:
    app.queue("q").options(job_id="a").put(1)
    with checked_app(redis_url, namespace="other") as other:
        with pytest.raises(JobNotFound):
            other.job("q.a")
        assert other.queue("q").options(job_id="a").put(2).created
        assert other.queue("q").counts()["queued"] == 1
        assert other.queue("q").claim(0.0) is not None


@pytest.mark.parametrize("status", ["running", "succeeded", "failed", "cancelled", "scheduled"])
def test_an_id_is_taken_whatever_became_of_the_job(app: RedisQ, status: str) -> None:
    queue = app.queue("q")
    delay = 60.0 if status == "scheduled" else 0.0
    job = queue.options(job_id="a", max_attempts=1, delay=delay).enqueue("t")
    if status == "cancelled":
        job.cancel()
    delivery = None if delay or status == "cancelled" else queue.claim()
    if status == "succeeded":
        delivery.ack(5)
    elif status == "failed":
        delivery.nack("no")
    again = queue.options(job_id="a").enqueue("t")
    assert (again.created, again.status) == (False, status)


# Results and tombstones


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ttl", [0.0, 0.001, 5.0])
def test_a_short_result_leaves_its_id_known(app: RedisQ, client: redis.Redis, ttl: float, named: bool) -> None:
    options = {"job_id": "a"} if named else {}
    job = app.queue("q").options(result_ttl=ttl, **options).enqueue("t")
    delivery = app.queue("q").claim()
    assert delivery is not None
    delivery.ack({"big": 1})
    left = client.pttl(f"{BASE}job:{job.local_id}") / 1000
    assert (550 < left <= 600) if named else (50 < left <= 60)
    if ttl < 1:
        wait_until(lambda: app.find_jobs([job.id]) == [None])
        with pytest.raises(JobNotFound):
            job.refresh()
        if named:
            again = app.queue("q").options(job_id="a").enqueue("t")
            assert (again.created, again.status) == (False, "succeeded")
            assert counts(app)
    else:
        assert job.refresh().result == {"big": 1}


def test_a_long_result_stays_for_its_time(app: RedisQ, client: redis.Redis) -> None:
    finish(app, "a", [1], result_ttl=7200.0)
    assert 7190 < client.ttl(f"{BASE}job:a") <= 7200
    job = app.job("q.a")
    assert (job.status, job.result, job.args, job.kwargs) == ("succeeded", [1], None, None)
    assert job.created_at <= job.started_at <= job.finished_at


def test_ended_jobs_beyond_the_number_go_once_their_tombstones_may(redis_url: str, client: redis.Redis) -> None:
    with checked_app(redis_url, retention=Retention(ended=3)) as app:
        for n in range(6):
            finish(app, f"j{n}", n)
        assert len(list(app.queue("q").jobs("succeeded"))) == 6
        for n in range(6):
            client.hset(f"{BASE}job:j{n}", "z", 1)  # long ago
        finish(app, "late")
        finish(app, "later")
        kept = [job.local_id for job in app.queue("q").jobs("succeeded")]
        assert kept == ["later", "late", "j5", "j4"] or kept == ["later", "late", "j5"]
        with pytest.raises(JobNotFound):
            app.job("q.j0")


def test_dead_letters_beyond_the_number_or_age_go(redis_url: str, client: redis.Redis) -> None:
    with checked_app(redis_url, retention=Retention(dead=3, dead_ttl=1000.0)) as app:
        for n in range(5):
            fail(app, f"j{n}")
        client.zadd(f"{BASE}dead", {"j4": 1})
        for _ in range(3):
            client.hdel(f"{BASE}state", "kept")
            assert app.queue("q").claim(0.0) is None
            app.queue("q").put("keep house").cancel()
            client.hdel(f"{BASE}state", "kept")
            wait_until(lambda: app.queue("q").claim(0.01) is None)
        assert app.queue("q").counts()["failed"] <= 3
        with pytest.raises(JobNotFound):
            app.job("q.j4")


# Waiting


def test_wait_answers_the_result_also_when_it_is_late(app: RedisQ) -> None:
    job = app.queue("q").enqueue("t")
    threading.Timer(0.2, lambda: app.queue("q").claim().ack({"n": 1})).start()
    assert job.wait(5.0) == {"n": 1}
    assert job.wait(0.0) == {"n": 1}
    assert job.wait() == {"n": 1}


def test_all_who_wait_are_woken_at_once(app: RedisQ) -> None:
    job = app.queue("q").enqueue("t")
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(lambda: (job.wait(20.0), time.monotonic())) for _ in range(8)]
        wait_until(lambda: app.settings.server.call([("CLIENT", "LIST")])[0].count(b"cmd=blmove") == 8)
        ended = time.monotonic()
        app.queue("q").claim().ack(7)
        answers = [wait.result() for wait in waits]
    assert {answer for answer, _ in answers} == {7}
    assert max(at for _, at in answers) - ended < 1.0


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.001, 0.3])
def test_waiting_has_its_own_time_out(app: RedisQ, timeout: float) -> None:
    job = app.queue("q").enqueue("t")
    began = time.monotonic()
    with pytest.raises(WaitTimeout) as caught:
        job.wait(timeout)
    assert isinstance(caught.value, TimeoutError)
    assert max(0.0, timeout) <= time.monotonic() - began < max(0.0, timeout) + 0.5
    assert counts(app, queued=1)


def test_waiting_longer_than_one_block_of_the_server(app: RedisQ) -> None:
    job = app.queue("q").options(delay=2.3).enqueue("t")
    threading.Timer(0.0, lambda: app.queue("q").claim(10.0).ack("late")).start()
    assert job.wait(10.0) == "late"


def test_waiting_for_what_failed_or_was_cancelled_raises(app: RedisQ) -> None:
    with pytest.raises(JobFailed, match="the reason"):
        fail(app, "a", "the reason").wait(1.0)
    job = app.queue("q").put(1)
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(1.0)


def test_waiting_for_what_is_not_there_raises(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    job.delete()
    with pytest.raises(JobNotFound):
        job.wait(1.0)


def test_a_cancel_wakes_who_waits(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    threading.Timer(0.2, job.cancel).start()
    began = time.monotonic()
    with pytest.raises(JobCancelled):
        job.wait(10.0)
    assert time.monotonic() - began < 1.5


def test_a_purge_wakes_who_waits(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    threading.Timer(0.2, app.queue("q").purge).start()
    with pytest.raises(JobCancelled):
        job.wait(10.0)


def test_waiting_again_for_a_job_that_was_retried_does_not_spin(app: RedisQ, client: redis.Redis) -> None:
    job = fail(app, "a")
    with pytest.raises(JobFailed):
        job.wait(1.0)
    job.retry()
    client.config_resetstat()
    with pytest.raises(WaitTimeout):
        job.wait(0.5)
    calls = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    assert calls < 10
    app.queue("q").claim().ack("second time")
    assert job.wait(5.0) == "second time"


# Cancel, retry, delete


def test_cancel_ends_what_waits(app: RedisQ) -> None:
    queued, scheduled = app.queue("q").put(1), app.queue("q").options(delay=60.0).put(2)
    for job in (queued, scheduled):
        ended = job.cancel()
        assert (ended.status, ended.error) == ("cancelled", "cancelled")
        assert ended.finished_at is not None
        assert job.cancel().status == "cancelled"
    assert counts(app)
    assert app.queue("q").claim(0.0) is None


def test_cancel_flags_what_runs_and_leaves_what_has_ended(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    delivery = app.queue("q").claim()
    assert job.cancel().status == "running"
    assert job.cancel().status == "running"
    delivery.ack("too late")
    assert job.refresh().status == "cancelled"
    assert finish(app, "b", 5).cancel().status == "succeeded"
    assert fail(app, "c").cancel().status == "failed"
    assert counts(app, failed=1)


def test_retry_gives_a_dead_letter_all_its_attempts(app: RedisQ) -> None:
    job = app.queue("q").options(max_attempts=2).enqueue("t", 5)
    for _ in range(2):
        app.queue("q").claim(10.0).nack("no", retry_in=0.0)
    assert job.refresh().status == "failed"
    again = job.retry()
    assert (again.status, again.attempt, again.error, again.args) == ("queued", 1, None, [5])
    delivery = app.queue("q").claim()
    assert delivery.job.token > job.token
    delivery.nack("no", retry_in=0.0)
    assert job.refresh().status == "queued"
    app.queue("q").claim().ack(1)
    assert job.wait(1.0) == 1
    assert job.retry().status == "succeeded"


def test_retry_leaves_what_is_no_dead_letter(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    assert job.retry().status == "queued"
    assert counts(app, queued=1)
    delivery = app.queue("q").claim()
    assert job.retry().status == "running"
    delivery.ack()
    cancelled = app.queue("q").put(2)
    cancelled.cancel()
    assert cancelled.retry().status == "cancelled"
    assert counts(app)


def test_two_who_retry_queue_it_once(app: RedisQ) -> None:
    job = fail(app, "a")
    with ThreadPoolExecutor(4) as pool:
        assert {done.status for done in pool.map(lambda _: job.retry(), range(8))} == {"queued"}
    assert counts(app, queued=1)


@pytest.mark.parametrize("status", ["queued", "scheduled", "succeeded", "failed", "cancelled"])
def test_delete_forgets_and_frees_the_id(app: RedisQ, client: redis.Redis, status: str) -> None:
    if status == "failed":
        job = fail(app, "a")
    elif status == "succeeded":
        job = finish(app, "a")
    else:
        job = app.queue("q").options(job_id="a", delay=60.0 * (status == "scheduled")).put(1)
        if status == "cancelled":
            job.cancel()
    assert job.refresh().status == status
    job.delete()
    with pytest.raises(JobNotFound):
        job.refresh()
    for act in (job.delete, job.cancel, job.retry):
        with pytest.raises(JobNotFound):
            act()
    assert counts(app)
    assert not client.exists(f"{BASE}job:a")
    again = app.queue("q").options(job_id="a").put(2)
    assert (again.created, again.payload) == (True, 2)


def test_what_runs_cannot_be_deleted(app: RedisQ) -> None:
    job = app.queue("q").put(1)
    delivery = app.queue("q").claim()
    with pytest.raises(JobRunning):
        job.delete()
    delivery.ack()
    job.delete()


# Purge and pause


def test_purge_cancels_what_waits_and_says_how_many(app: RedisQ) -> None:
    queue = app.queue("q")
    dead = fail(app, "dead")
    running = queue.put("running")
    delivery = queue.claim()
    waiting = queue.enqueue_many("t", [((), {})] * 1200) + [queue.options(delay=60.0).put(n) for n in range(3)]
    assert queue.purge() == 1203
    assert counts(app, running=1, failed=1)
    assert queue.purge() == 0
    assert {job.refresh().status for job in waiting[::100]} == {"cancelled"}
    assert (running.refresh().status, dead.refresh().status) == ("running", "failed")
    delivery.ack()
    assert running.refresh().status == "succeeded"


def test_a_paused_queue_takes_jobs_and_gives_none(app: RedisQ) -> None:
    queue = app.queue("q")
    running = queue.put(0)
    delivery = queue.claim()
    queue.pause()
    queue.pause()
    queue.put(1)
    assert queue.claim(0.3) is None
    delivery.ack()
    assert running.refresh().status == "succeeded"
    queue.resume()
    queue.resume()
    assert queue.claim().job.payload == 1


def test_resuming_wakes_who_waits(app: RedisQ) -> None:
    queue = app.queue("q")
    queue.pause()
    queue.put(1)
    began = time.monotonic()
    threading.Timer(0.3, queue.resume).start()
    assert queue.claim(10.0).job.payload == 1
    assert time.monotonic() - began < 1.5


def test_a_delay_that_passes_while_the_queue_is_paused(app: RedisQ) -> None:
    queue = app.queue("q")
    queue.pause()
    queue.options(delay=0.05).put(1)
    assert queue.claim(0.3) is None
    assert counts(app, queued=1)
    queue.resume()
    assert queue.claim(1.0).job.payload == 1


# Delays


def test_a_delayed_job_comes_when_it_is_due(app: RedisQ) -> None:
    began = time.monotonic()
    job = app.queue("q").options(delay=0.4).put(1)
    assert (job.status, job.refresh().status) == ("scheduled", "scheduled")
    assert app.queue("q").claim(0.0) is None
    assert app.queue("q").claim(5.0).job.id == job.id
    assert 0.39 < time.monotonic() - began < 1.0


def test_a_delayed_job_that_becomes_the_earliest_wakes_who_waits_for_a_later_one(app: RedisQ) -> None:
    queue = app.queue("q")
    queue.options(delay=1.9).put("late")
    began = time.monotonic()
    threading.Timer(0.2, lambda: queue.options(delay=0.1).put("early")).start()
    assert queue.claim(10.0).job.payload == "early"
    assert time.monotonic() - began < 1.2


def test_a_tiny_delay_says_what_it_is(app: RedisQ) -> None:
    job = app.queue("q").options(delay=0.0001).put(1)
    assert job.status == job.refresh().status


def test_due_jobs_come_in_the_order_in_which_they_were_due(app: RedisQ) -> None:
    queue = app.queue("q")
    for n in (3, 1, 2):
        queue.options(delay=n / 20).put(n)
    deliveries = [queue.claim(5.0) for _ in range(3)]
    assert [delivery.job.payload for delivery in deliveries] == [1, 2, 3]


# Looking


def test_jobs_by_status_newest_first(app: RedisQ) -> None:
    queue = app.queue("q")
    for n in range(3):
        fail(app, f"dead{n}")
        finish(app, f"done{n}")
        app.queue("q").options(job_id=f"cancelled{n}").put(n).cancel()
    for n in range(2):
        queue.options(job_id=f"run{n}").put(n)
    held = [queue.claim() for _ in range(2)]
    for n in range(3):
        queue.options(job_id=f"wait{n}").put(n)
        queue.options(job_id=f"later{n}", delay=60.0 + n).put(n)

    def ids(status: str | None, **options: int) -> list[str]:
        return [job.local_id for job in queue.jobs(status, **options)]

    assert ids("failed") == ["dead2", "dead1", "dead0"]
    assert ids("succeeded") == ["done2", "done1", "done0"]
    assert ids("cancelled") == ["cancelled2", "cancelled1", "cancelled0"]
    assert ids("running") == ["run1", "run0"]
    assert ids("queued") == ["wait2", "wait1", "wait0"]
    assert sorted(ids("scheduled")) == ["later0", "later1", "later2"]
    assert len(ids(None)) == len(set(ids(None))) == 17
    assert ids("failed", limit=2) == ["dead2", "dead1"]
    assert ids("failed", limit=0) == []
    assert len(held) == 2


def test_jobs_is_lazy_and_pages(app: RedisQ) -> None:
    app.queue("q").enqueue_many("t", [((n,), {}) for n in range(450)])
    jobs = app.queue("q").jobs("queued", limit=10_000)
    assert next(jobs).args == [449]
    assert [job.args for job in jobs] == [[n] for n in range(448, -1, -1)]
    assert len(list(app.queue("q").jobs("queued"))) == 100


@pytest.mark.parametrize("status", ["", "done", "SUCCEEDED", "dead", 5])
def test_a_status_that_does_not_exist_is_an_error(app: RedisQ, status: Any) -> None:
    app.queue("q").put(1)
    with pytest.raises(InvalidOption):
        list(app.queue("q").jobs(status))


@pytest.mark.parametrize("limit", [-1, 1.5, "5", None])
def test_a_limit_that_is_no_number_is_an_error(app: RedisQ, limit: Any) -> None:
    with pytest.raises(InvalidOption):
        list(app.queue("q").jobs(limit=limit))


def test_a_queue_that_never_was_is_empty(app: RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    assert queue.counts() == NONE
    assert list(queue.jobs()) == []
    assert queue.purge() == 0
    assert not [key for key in client.scan_iter("*") if b"queues" in key]


def test_jobs_are_found_by_their_full_ids_only(app: RedisQ) -> None:
    job = app.queue("q").options(job_id="a.b:c").put(1)
    assert app.job("q.a.b:c").id == job.id
    for unknown in ("q.a", "p.a.b:c", "q.a.b"):
        with pytest.raises(JobNotFound) as caught:
            app.job(unknown)
        assert isinstance(caught.value, LookupError)
    with pytest.raises(InvalidName):
        app.job("a")
    assert [found and found.id for found in app.find_jobs(["q.nobody", "q.a.b:c", "p.x", "q.a.b:c"])] == [
        None,
        "q.a.b:c",
        None,
        "q.a.b:c",
    ]
    assert app.find_jobs([]) == []


def test_one_record_of_a_wrong_type_does_not_hide_the_others(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url)
    for job_id in "abc":
        app.queue("q").options(job_id=job_id).put(job_id)
    client.delete(f"{BASE}job:b")
    client.set(f"{BASE}job:b", "x")
    assert [job.local_id for job in app.queue("q").jobs("queued")] == ["c", "a"]


def test_a_dead_letter_can_hold_anything_and_be_looked_at(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url)
    client.lpush(f"{BASE}pending", b"\xff\x00 not an id")
    assert app.queue("q").claim(0.1) is None
    (job,) = app.queue("q").jobs("failed")
    assert "not a job id" in job.error
    assert job.retry().status == "queued"
    job.refresh().cancel()
    job.delete()


def test_wrong_types_are_an_error_of_ours(redis_url: str, client: redis.Redis) -> None:
    app = RedisQ(redis_url)
    client.set(f"{BASE}pending", "x")
    for act in (lambda: app.queue("q").put(1), app.queue("q").counts, app.queue("q").purge):
        with pytest.raises(ServerRefused) as caught:
            act()
        assert isinstance(caught.value, RedisQError)
        assert isinstance(caught.value.__cause__, redis.ResponseError)
    assert not list(client.scan_iter(f"{BASE}job:*")), "half written"


# Many


def test_enqueue_many_keeps_order_options_and_round_trips(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").put("warm")
    client.config_resetstat()
    calls = [((n,), {"k": n}, {"job_id": f"j{n}", "delay": 60.0 * (n % 2)}) for n in range(1000)]
    jobs = app.queue("q").enqueue_many("t", calls)
    assert [job.local_id for job in jobs] == [f"j{n}" for n in range(1000)]
    assert [job.status for job in jobs[:2]] == ["queued", "scheduled"]
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 5
    assert counts(app, queued=501, scheduled=500)


def test_enqueue_many_of_nothing_and_of_an_iterator(app: RedisQ) -> None:
    assert app.queue("q").enqueue_many("t", []) == []
    assert len(app.queue("q").enqueue_many("t", (((), {}) for _ in range(3)))) == 3


def test_enqueue_many_of_large_bodies_goes_in_parts(app: RedisQ) -> None:
    jobs = app.queue("q").enqueue_many("t", [(("x" * 1_000_000,), {}) for _ in range(12)])
    assert len(jobs) == 12
    assert counts(app, queued=12)
    app.queue("q").purge()


def test_enqueue_bulk_reads_as_it_goes_and_tells_what_is_acknowledged(app: RedisQ) -> None:
    read, told = 0, []

    def calls() -> Iterator[Any]:
        nonlocal read
        for read in range(1, 601):
            yield (read,), {}, {"job_id": f"j{read}"}

    def progress(done: int) -> None:
        assert app.queue("q").counts()["queued"] == done
        told.append((done, read))

    assert app.queue("q").enqueue_bulk("t", calls(), progress) == 600
    assert told == [(250, 250), (500, 500), (600, 600)]
    assert app.queue("q").enqueue_bulk("t", calls()) == 600
    assert [job.local_id for job in app.queue("q").jobs(limit=1000)] == [f"j{n}" for n in range(600, 0, -1)]
    assert app.queue("q").options(delay=60.0).enqueue_bulk("t", []) == 0


def test_an_error_in_the_middle_of_a_bulk_leaves_what_was_told_and_it_can_be_sent_again(app: RedisQ) -> None:
    task, told = app.task("t")(lambda n: None), []
    calls: list[Any] = [((n,), {}, {"job_id": f"j{n}"}) for n in range(300)]
    with pytest.raises(NotSerializable):
        task.enqueue_bulk([*calls, ((object(),), {})], told.append)
    assert told == [250]
    assert app.queue("default").counts()["queued"] == 250
    assert task.options(queue="default").enqueue_bulk(calls) == 300
    assert app.queue("default").counts()["queued"] == 300


def test_enqueue_bulk_holds_one_batch_however_many_they_are(redis_url: str, client: redis.Redis) -> None:
    """Traced is the last tenth, since tracing is slow: its jobs would take several times what is allowed."""

    def calls() -> Iterator[Any]:
        for n in range(100_000):
            if n == 90_000:
                tracemalloc.start()
            yield ("x" * 100,), {"n": n}

    app = RedisQ(redis_url)
    try:
        assert app.queue("q").enqueue_bulk("t", calls()) == 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        app.close()
    assert peak < 2_000_000
    assert client.llen(f"{BASE}pending") == 100_000


@pytest.mark.parametrize(
    "call",
    [
        (),
        ((),),
        ((), {}, {}, {}),
        5,
        "ab",
        ("args", {}),
        (b"args", {}),
        ({}, {}),
        ((), 5),
        ((), {}, {"job_id": "bad id"}),
    ],
)
def test_a_call_that_is_none_is_refused_before_its_batch_is_sent(app: RedisQ, call: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        app.queue("q").enqueue_many("t", [((), {}), call])
    assert counts(app)


def test_a_purge_counts_jobs_and_loses_no_garbage(redis_url: str) -> None:
    queue = RedisQ(redis_url).queue("q")
    queue.put(1)
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("redisq:{q}:pending", *(f"garbage {n}" for n in range(1200)))
    queue.put(2)
    assert queue.purge() == 2
    assert queue.counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 1200}
