"""Tasks with `batch` in a real worker: what one call takes, how long it waits, and what becomes of each job."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis

from redisq import Job, JobCancelled, JobFailed, RedisQ
from tests.system.workers import LEASE, Start, clean
from tests.waiting import wait_until

Calls = Callable[..., list[list[str]]]

#: A child that runs one thing at a time, and one that runs several.
KINDS = [(), ("--threads", "2", "--concurrency", "6")]


@pytest.fixture
def start(start: Start) -> Start:
    """With the usual lease: a short one, lost on a busy machine, has jobs run again."""
    return partial(start, "--lease", "30", app="tests.system.batching:app")


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """The names of the jobs of each call, of all tasks or of these, in the order in which they began."""

    def rows(*tasks: str) -> list[list[str]]:
        file = tmp_path / "history"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [words[2:] for words in lines if not tasks or words[0] in tasks]

    return rows


def send(app: RedisQ, task: str, *names: str, **kwargs: str) -> list[Job]:
    """`a:bad` is the job `a` that does `bad`."""
    pairs = [name.partition(":") for name in names]
    return app.queue("default").enqueue_many(task, [((name,), {"do": do} if do else {}) for name, _, do in pairs])


def names(count: int, letter: str = "j") -> list[str]:
    return [f"{letter}{n}" for n in range(count)]



# What one call takes


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_a_call_takes_as_many_as_wait_and_no_more_than_it_may(
    app: RedisQ, start: Start, calls: Calls, redis_url: str, kind: tuple[str, ...]
) -> None:
    jobs = send(app, "index", *names(12)) + send(app, "index_async", *names(12))
    assert start("--burst", *kind).wait() == 0
    for task in ("index", "index_async"):
        assert sorted(calls(task)) == sorted([names(12)[:5], names(12)[5:10], names(12)[10:]])
    assert [job.wait(0.0) for job in jobs] == names(12) * 2
    clean(redis_url)


def test_jobs_of_several_tasks_keep_their_order(app: RedisQ, start: Start, calls: Calls, redis_url: str) -> None:
    for task, name in [("index", "a"), ("index", "b"), ("one", "c"), ("index", "d"), ("patient", "e"), ("index", "f")]:
        send(app, task, name)
    assert start("--burst").wait() == 0
    assert calls() == [["a", "b"], ["c"], ["d"], ["e"], ["f"]]
    clean(redis_url)


def test_small_jobs_of_other_tasks_may_be_many_around_a_batch(app: RedisQ, start: Start, calls: Calls) -> None:
    """The worker claims hundreds at once, and ahead."""
    queue, sent = app.queue("default"), []
    for n in range(40):
        sent += names(30, f"o{n}-") + names(7, f"b{n}-")
        queue.enqueue_many("one", [((name,), {}) for name in names(30, f"o{n}-")])
        send(app, "index", *names(7, f"b{n}-"))
    assert start("--burst").wait(30.0) == 0
    assert [name for call in calls() for name in call] == sent
    assert [len(call) for call in calls("index")] == [5, 2] * 40


def test_each_job_of_a_call_is_a_job_of_its_own(app: RedisQ, start: Start, calls: Calls) -> None:
    jobs = send(app, "who", "a", "b")
    parents = send(app, "index", "c:again", "d:again")
    late = send(app, "soft", "e", "f:wait")
    assert start("--burst").wait() == 0
    assert [job.wait(0.0)[:2] for job in jobs] == [[job.id, 1] for job in jobs]
    assert [job.refresh().progress for job in jobs] == [{"done": 0, "total": 2}, {"done": 1, "total": 2}]
    assert [job.wait(0.0) for job in parents] == ["c", "d"]
    assert calls("one") == [["c"], ["d"]]
    assert [job.refresh().error for job in late] == ["SoftTimeout: it ran longer than 0.2 s"] * 2


# How long it waits


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_a_call_waits_for_a_late_job_and_no_longer_than_its_linger(
    app: RedisQ, start: Start, calls: Calls, redis_url: str, kind: tuple[str, ...]
) -> None:
    worker = start(*kind)
    wait_until(lambda: "worker.started" in worker.log)
    began = time.monotonic()
    first = send(app, "patient", "a")[0]
    wait_until(lambda: first.refresh().status == "running")
    assert not calls()
    second = send(app, "patient", "b")[0]
    first.wait(20.0)
    second.wait(20.0)
    assert 0.65 < time.monotonic() - began < 1.9
    assert calls() == [["a", "b"]]
    clean(redis_url)


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_a_job_of_another_task_is_not_kept_waiting(
    app: RedisQ, start: Start, calls: Calls, kind: tuple[str, ...]
) -> None:
    start(*kind)
    first = send(app, "endless", "a")[0]
    wait_until(lambda: first.refresh().status == "running")
    send(app, "one", "b")[0].wait(20.0)
    first.wait(20.0)
    assert sorted(calls()) == [["a"], ["b"]]


def test_a_more_important_job_passes_and_the_call_still_waits_until_it_is_full(
    app: RedisQ, start: Start, calls: Calls
) -> None:
    start(queues="high,default")
    first = send(app, "endless", "a")[0]
    wait_until(lambda: first.refresh().status == "running")
    app.queue("high").enqueue("one", "b").wait(20.0)
    assert calls() == [["b"]]
    send(app, "endless", "c", "d", "e", "f")[0].wait(20.0)
    assert calls() == [["b"], ["a", "c", "d", "e", "f"]]


def test_a_burst_does_not_wait(app: RedisQ, start: Start, calls: Calls) -> None:
    send(app, "endless", "a", "b")
    assert start("--burst", "--threads", "2").wait(20.0) == 0
    assert calls() == [["a", "b"]]


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_a_stop_ends_the_wait_and_gives_back_what_waited(
    app: RedisQ, start: Start, calls: Calls, redis_url: str, kind: tuple[str, ...]
) -> None:
    worker = start(*kind)
    jobs = send(app, "endless", "a", "b")
    wait_until(lambda: all(job.refresh().status == "running" for job in jobs))
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(20.0) == 0
    assert time.monotonic() - began < 10.0
    assert not calls()
    assert [(job.refresh().status, job.refresh().attempt) for job in jobs] == [("queued", 1)] * 2
    assert start("--burst").wait() == 0
    assert calls() == [["a", "b"]]
    clean(redis_url)


def test_a_stop_gives_back_what_waits_before_its_neighbours_end(app: RedisQ, start: Start, calls: Calls) -> None:
    worker = start("--threads", "2")
    send(app, "index", "a:wait")
    wait_until(calls)
    job = send(app, "endless", "b")[0]
    wait_until(lambda: job.refresh().status == "running")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: job.refresh().status == "queued", timeout=20.0)
    assert worker.process.poll() is None


# What becomes of each


def test_one_that_fails_is_tried_again_alone(app: RedisQ, start: Start, calls: Calls) -> None:
    jobs = send(app, "index", "a", "b:bad", "c")
    start()
    with pytest.raises(JobFailed, match="OSError: mine"):
        jobs[1].wait(20.0)
    assert [jobs[n].wait(0.0) for n in (0, 2)] == ["a", "c"]
    assert calls() == [["a", "b", "c"], ["b"], ["b"]]


def test_what_is_raised_fails_all_and_the_last_attempt_is_each_ones_own(
    app: RedisQ, start: Start, calls: Calls
) -> None:
    jobs = send(app, "index", "a", "b:raise", "c")
    start()
    with pytest.raises(JobFailed, match="ValueError: all of it"):
        jobs[1].wait(20.0)
    assert [jobs[n].wait(20.0) for n in (0, 2)] == ["a", "c"]
    assert calls()[:2] == [["a", "b", "c"]] * 2
    assert sorted(calls()[2:]) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_who_kills_the_worker_is_found_among_its_batch(
    app: RedisQ, start: Start, calls: Calls, redis_url: str, kind: tuple[str, ...]
) -> None:
    jobs = send(app, "index", "a", "b:kill", "c", "d")
    start(*kind)
    assert [jobs[n].wait(20.0) for n in (0, 2, 3)] == ["a", "c", "d"]
    with pytest.raises(JobFailed, match="crashed: its worker died 3 times"):
        jobs[1].wait(20.0)
    assert [job.refresh().attempt for job in jobs] == [1] * 4
    assert calls()[:2] == [["a", "b", "c", "d"]] * 2
    assert all(len(call) == 1 for call in calls()[2:])
    clean(redis_url)


def test_a_worker_that_is_killed_has_all_of_the_batch_run_again(
    app: RedisQ, start: Start, calls: Calls, client: redis.Redis
) -> None:
    short = ("--lease", str(LEASE))
    worker = start(*short)
    jobs = send(app, "index", "a", "b:pause", "c")
    wait_until(calls)
    worker.everybody(signal.SIGKILL)
    start(*short)
    assert [job.wait(20.0) for job in jobs] == ["a", "b", "c"]
    assert [job.refresh().attempt for job in jobs] == [1] * 3


@pytest.mark.parametrize("kind", KINDS, ids=["child", "crew"])
def test_a_call_that_takes_too_long_is_ended_and_each_has_failed_by_its_own_attempts(
    app: RedisQ, start: Start, calls: Calls, redis_url: str, kind: tuple[str, ...]
) -> None:
    jobs = send(app, "late", "a", "b:wait", "c")
    start(*kind)
    with pytest.raises(JobFailed, match="timeout: it ran longer than"):
        jobs[1].wait(20.0)
    assert [jobs[n].wait(20.0) for n in (0, 2)] == ["a", "c"]
    assert calls()[0] == ["a", "b", "c"]
    assert sorted(calls()[1:]) == [["a"], ["b"], ["c"]]
    assert [job.refresh().attempt for job in jobs] == [2] * 3
    clean(redis_url)


def test_a_cancelled_job_ends_with_its_batch_and_the_others_succeed(app: RedisQ, start: Start, calls: Calls) -> None:
    worker = start()
    jobs = send(app, "index", "a", "b:pause", "c")
    wait_until(calls)
    jobs[2].cancel()
    with pytest.raises(JobCancelled):
        jobs[2].wait(20.0)
    assert [jobs[n].wait(20.0) for n in (0, 1)] == ["a", "b"]
    assert calls() == [["a", "b", "c"]]
    alone = send(app, "index", "d:wait")[0]
    wait_until(lambda: len(calls()) == 2)
    alone.cancel()
    with pytest.raises(JobCancelled):
        alone.wait(20.0)
    assert "unstoppable" not in worker.log


def test_what_waits_behind_a_long_batch_is_for_other_workers(app: RedisQ, start: Start, calls: Calls) -> None:
    send(app, "index", "a:wait", "b", "c", "d", "e")
    behind = send(app, "one", *names(3))
    start()
    wait_until(calls)
    start()
    assert [job.wait(20.0) for job in behind] == names(3)
