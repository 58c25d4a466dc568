"""The command redisq-worker as a process: what it runs, in which order, and what it survives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from redisq import JobFailed, RedisQ
from tests.servers import Server, free_port
from tests.system.workers import LEASE, Start, clean
from tests.waiting import alive, wait_until


@pytest.fixture
def history(tmp_path: Path) -> Callable[[str], list[str]]:
    """The lines of the jobs' history that begin so."""

    def lines(beginning: str) -> list[str]:
        file = tmp_path / "history"
        return [line for line in file.read_text().splitlines() if line.startswith(beginning)] if file.exists() else []

    return lines


History = Callable[[str], list[str]]


# What it runs


def test_burst_runs_all_there_is_in_strict_order_and_ends(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    for n in range(30):
        app.queue(("low", "high", "mid")[n % 3]).enqueue("echo", n)
    later = app.queue("high").options(delay=60.0).enqueue("echo", "later")
    assert start("--burst", queues="high,mid,low").wait() == 0
    order = [int(line.split()[1]) for line in history("echo")]
    assert order == [*range(1, 30, 3), *range(2, 30, 3), *range(0, 30, 3)]
    assert later.refresh().status == "scheduled"
    clean(redis_url)


def test_all_kinds_of_jobs_in_one_burst(app: RedisQ, start: Start, history: History, redis_url: str) -> None:
    queue = app.queue("default")
    plain = queue.enqueue("echo", {"a": [1, None, "ä"]})
    coroutines = [queue.enqueue("wait_a_bit", n) for n in range(3)]
    who = queue.enqueue("who")
    odd = queue.enqueue("odd")
    failing = queue.options(max_attempts=1).enqueue(
        "fail", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
    )
    good, bad = queue.enqueue("parent", False), queue.options(max_attempts=1).enqueue("parent", True)
    unknown = queue.enqueue("os.system", "true")
    wrong = queue.options(max_attempts=1).enqueue("nap")
    worker = start("--burst", "--processes", "2", queues="default,low")
    assert worker.wait() == 0
    assert plain.wait(0.0) == {"a": [1, None, "ä"]}
    assert [job.wait(0.0) for job in coroutines] == [[n, n, job.id] for n, job in enumerate(coroutines)]
    seen = who.refresh()
    assert seen.result == {"id": who.id, "attempt": 1, "token": seen.token, "queue": "default"}
    assert seen.progress == {"done": 1, "total": 2}
    assert "result" in odd.refresh().error
    assert failing.refresh().error == "ValueError: \N{GRINNING FACE}"
    here, there = good.wait(0.0).split()
    assert app.job(here).result == "same queue"
    assert wait_until(lambda: app.job(there)).queue == "low"
    assert bad.refresh().status == "failed"
    assert len(history("echo same queue")) == 1
    waiting = unknown.refresh()
    assert (waiting.status, waiting.attempt) == ("scheduled", 1)
    assert "os.system" in waiting.error
    assert "TypeError" in wrong.refresh().error
    assert "Traceback" not in worker.log.replace(
        "Traceback (most recent call last)", "", worker.log.count("job.failed")
    )
    clean(redis_url)


def test_a_failing_job_is_tried_as_often_as_it_may(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").options(max_attempts=3).enqueue("fail", "no")
    start()
    with pytest.raises(JobFailed, match="ValueError: no"):
        job.wait(10.0)
    assert history("fail") == ["fail 1", "fail 2", "fail 3"]


def test_follow_ups_to_another_queue_are_sent_before_a_worker_of_one_queue_ends(
    app: RedisQ, start: Start, redis_url: str
) -> None:
    job = app.queue("default").enqueue("parent", False)
    assert start("--burst").wait() == 0
    there = job.wait(0.0).split()[1]
    assert app.job(there).status == "queued"
    clean(redis_url)


@pytest.mark.parametrize("entries", [150, 1000])
def test_garbage_does_not_end_a_burst_early(app: RedisQ, start: Start, redis_url: str, entries: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("redisq:{default}:pending", *[f"ghost {n}" for n in range(entries)])
    job = app.queue("default").enqueue("echo", "good")
    assert start("--burst").wait() == 0
    assert job.refresh().status == "succeeded"
    assert app.queue("default").counts()["failed"] == entries


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_jobs_finish_and_takes_no_other(
    app: RedisQ, start: Start, history: History, redis_url: str, number: int
) -> None:
    running = app.queue("default").enqueue("nap", "long", 0.6)
    worker = start()
    wait_until(lambda: history("start long"))
    waiting = app.queue("default").enqueue("echo", 1)
    worker.signal(number)
    assert worker.wait(5.0) == 0
    assert running.refresh().result == "long"
    assert waiting.refresh().status == "queued"
    assert "worker.stopping processes=1 grace=" in worker.log
    assert worker.log.splitlines()[-1].endswith("worker.stopped")
    assert "Traceback" not in worker.log
    clean(redis_url)


@pytest.mark.parametrize("processes", ["1", "3"])
def test_an_idle_worker_stops_at_once(start: Start, processes: str) -> None:
    worker = start("--processes", processes)
    wait_until(lambda: worker.log.count("worker.started") == int(processes))
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    assert time.monotonic() - began < 1.5


def test_what_does_not_finish_within_the_grace_is_given_back(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    job = app.queue("default").enqueue("nap", "long", 60)
    worker = start("--grace", "0.3")
    wait_until(lambda: history("start long"))
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    assert time.monotonic() - began < 2.0
    seen = job.refresh()
    assert (seen.status, seen.attempt) == ("queued", 1)
    clean(redis_url)


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    job = app.queue("default").enqueue("nap", "long", 60)
    worker = start()
    wait_until(lambda: history("start long"))
    first = time.monotonic()
    worker.signal(signal.SIGTERM)
    wait_until(lambda: time.monotonic() > first + 0.2)  # two at once would be one
    assert worker.process.poll() is None
    worker.signal(signal.SIGTERM)
    assert worker.wait(3.0) == 0
    assert time.monotonic() - first < 2.0
    assert (job.refresh().status, job.refresh().attempt) == ("queued", 1)
    clean(redis_url)


# Deaths


def test_a_child_that_is_killed_is_replaced_and_its_job_runs_again_within_a_second(
    app: RedisQ, start: Start, history: History
) -> None:
    job = app.queue("default").enqueue("nap", "victim", 1.5)
    start()
    line = wait_until(lambda: history("start victim"))[0]
    os.kill(int(line.split()[2]), signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: len(history("start victim")) == 2)
    assert time.monotonic() - killed < 1.0
    assert job.wait(10.0) == "victim"
    assert job.refresh().attempt == 1


def test_a_worker_that_is_killed_whole_is_survived_within_one_and_a_half_leases(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    job = app.queue("default").enqueue("nap", "victim", 1.5)
    worker = start()
    wait_until(lambda: history("start victim"))
    other = start()
    wait_until(lambda: "worker.started" in other.log)
    worker.everybody(signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: len(history("start victim")) == 2)
    assert time.monotonic() - killed < 1.5 * LEASE + 0.3
    assert job.wait(10.0) == "victim"
    assert len(history("end victim")) == 1


def test_what_was_claimed_ahead_outlives_a_killed_child(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    low = app.queue("low")
    low.pause()
    low.enqueue_many("echo", [((n,), {}) for n in range(5000)])
    worker = start(queues="high,low")
    children = wait_until(worker.children)
    low.resume()
    wait_until(lambda: len(history("echo")) > 100)
    os.kill(children[0], signal.SIGKILL)
    wait_until(lambda: low.counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0})
    assert {line.split()[1] for line in history("echo")} == {*map(str, range(5000))}
    clean(redis_url)


def test_children_without_a_supervisor_end(app: RedisQ, start: Start, history: History) -> None:
    app.queue("default").enqueue("nap", "orphan", 60)
    worker = start("--processes", "2")
    wait_until(lambda: history("start orphan") and len(worker.children()) == 2)
    children = worker.children()
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not any(map(alive, children)), timeout=5.0)


def test_a_worker_that_slept_for_five_leases_changes_nothing_when_it_wakes(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    job = app.queue("default").enqueue("nap", "zombie", 0.5)
    zombie = start()
    wait_until(lambda: history("start zombie"))
    zombie.everybody(signal.SIGSTOP)
    stopped = time.monotonic()
    heir = start()
    assert job.wait(10.0) == "zombie"
    token = job.refresh().token
    finished = job.refresh().finished_at
    wait_until(lambda: time.monotonic() > stopped + 5 * LEASE)
    zombie.everybody(signal.SIGCONT)
    wait_until(lambda: len(history("end zombie")) == 2)
    after = app.queue("default").enqueue("nap", "after", 0.01)
    assert after.wait(10.0) == "after"
    wait_until(lambda: "settle.refused" in zombie.log)
    seen = job.refresh()
    assert (seen.status, seen.token, seen.finished_at, seen.attempt) == ("succeeded", token, finished, 1)
    assert len(list(app.queue("default").jobs("succeeded"))) == 2
    heir.signal(signal.SIGTERM)
    zombie.signal(signal.SIGTERM)
    assert (heir.wait(), zombie.wait()) == (0, 0)
    clean(redis_url)


@pytest.mark.parametrize("how", ["kill", "exit", "segfault"])
def test_a_job_that_crashes_its_process_fails_after_exactly_three_times(
    app: RedisQ, start: Start, history: History, how: str
) -> None:
    bad = app.queue("default").enqueue("die", how)
    good = [app.queue("default").enqueue("echo", n) for n in range(20)]
    worker = start()
    assert [job.wait(20.0) for job in good] == list(range(20))
    with pytest.raises(JobFailed, match="crashed"):
        bad.wait(10.0)
    assert len(history("die")) == 3
    assert worker.process.poll() is None


def test_a_job_over_its_time_is_killed_and_tried_again(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").enqueue("stubborn")
    start()
    began = time.monotonic()
    with pytest.raises(JobFailed, match="timeout"):
        job.wait(10.0)
    assert len(history("stubborn")) == 2
    assert time.monotonic() - began < 2 * (0.5 + 1.0) + 1.5
    assert app.queue("default").enqueue("echo", 1).wait(5.0) == 1


def test_code_that_holds_the_gil_is_killed_within_a_second(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").options(timeout=0.5, max_attempts=1).enqueue("hold_gil", "stuck", 60)
    start()
    wait_until(lambda: history("start stuck"))
    began = time.monotonic()
    with pytest.raises(JobFailed, match="timeout"):
        job.wait(10.0)
    assert time.monotonic() - began < 1.7
    assert not history("end")


def test_a_job_over_its_soft_limit_may_clean_up(app: RedisQ, start: Start, history: History) -> None:
    queue = app.queue("default").options(soft_timeout=0.3, timeout=20.0, max_attempts=1)
    polite, later = queue.enqueue("tidy", 60), queue.enqueue("tidy_later", 60)
    rude = queue.enqueue("nap", "rude", 60)
    start()
    assert (polite.wait(10.0), later.wait(10.0)) == ("tidied", "tidied")
    with pytest.raises(JobFailed, match=r"SoftTimeout: it ran longer than 0\.3 s"):
        rude.wait(10.0)
    letter = rude.refresh()
    assert "in nap" in (letter.traceback or "")
    assert [one["attempt"] for one in letter.history] == [1]
    assert app.queue("default").enqueue("echo", 1).wait(5.0) == 1
    assert not history("end rude")


def test_who_does_not_hear_the_soft_limit_is_killed_at_the_hard_one(app: RedisQ, start: Start) -> None:
    job = app.queue("default").options(soft_timeout=0.2, timeout=0.8, max_attempts=1).enqueue("hold_gil", "deaf", 60)
    start()
    with pytest.raises(JobFailed, match="timeout"):
        job.wait(10.0)
    letter = job.refresh()
    assert (letter.traceback, [one["error"] for one in letter.history]) == (None, [letter.error])


def test_a_killed_job_is_tried_again_whatever_its_task_retries_on(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").enqueue("picky", True)
    start()
    with pytest.raises(JobFailed, match="ValueError"):
        job.wait(10.0)
    assert history("picky") == ["picky 1", "picky 2"]
    assert [one["error"].split(":")[0] for one in job.refresh().history] == ["timeout", "ValueError"]


def test_a_job_that_waited_too_long_is_not_started(app: RedisQ, start: Start, history: History) -> None:
    late = app.queue("default").options(expires=0.05).enqueue("echo", "late")
    time.sleep(0.1)
    start("--burst").wait()
    assert (late.refresh().status, late.refresh().error) == ("cancelled", "expired")
    assert not history("echo")


def test_a_job_longer_than_many_leases_runs_once(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").enqueue("hold_gil", "long", 2)
    start()
    start()
    job.wait(10.0)
    assert len(history("start long")) == 1


@pytest.mark.parametrize("task", ["nap", "hold_gil"])
def test_a_long_job_holds_back_no_other_of_its_batch(app: RedisQ, start: Start, history: History, task: str) -> None:
    """Many fast jobs teach the worker to claim many at once; the long one comes in the middle of such a batch."""
    high, low = app.queue("default"), app.queue("low")
    warm = high.enqueue_many("echo", [((n,), {}) for n in range(400)])
    first = start(queues="default,low")
    warm[-1].wait(20.0)
    low.pause()
    high.pause()
    long = high.enqueue(task, "long", 4)
    after = [high.enqueue("echo", f"after {n}") for n in range(5)] + [low.enqueue("echo", f"low {n}") for n in range(5)]
    low.resume()
    high.resume()
    wait_until(lambda: history("start long"))
    start(queues="default,low")
    began = time.monotonic()
    for job in after:
        job.wait(3.5)
    assert time.monotonic() - began < 3.0
    assert not history("end long")
    assert long.refresh().status == "running"
    assert first.process.poll() is None


def test_a_cancelled_job_is_stopped(app: RedisQ, start: Start, history: History) -> None:
    job = app.queue("default").enqueue("nap", "endless", 60)
    start()
    wait_until(lambda: history("start endless"))
    began = time.monotonic()
    job.cancel()
    wait_until(lambda: job.refresh().status == "cancelled")
    assert time.monotonic() - began < 2.0
    assert app.queue("default").enqueue("echo", 1).wait(5.0) == 1


def test_one_broken_queue_makes_a_worker_deaf_to_no_other(app: RedisQ, start: Start, redis_url: str) -> None:
    app.queue("broken").enqueue("echo", 1)
    worker = start(queues="broken,default")
    wait_until(lambda: app.queue("broken").counts()["queued"] == 0)
    with redis.Redis.from_url(redis_url) as client:
        for key in ("ended", "dead", "pending", "wake"):
            client.delete(f"redisq:{{broken}}:{key}")
            client.set(f"redisq:{{broken}}:{key}", "x")
    assert app.queue("default").enqueue("echo", 2).wait(10.0) == 2
    assert worker.process.poll() is None


# The server


def test_a_server_that_is_not_there_is_waited_for(new_server: Callable[..., Server], start: Start) -> None:
    server = new_server()
    server.stop()
    worker = start(url=server.url)
    wait_until(lambda: "server.away" in worker.log)
    assert worker.process.poll() is None
    assert "Traceback" not in worker.log
    server.start()
    app = RedisQ(server.url)
    assert app.queue("default").enqueue("echo", 1).wait(10.0) == 1
    app.close()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0


def test_a_worker_that_waits_for_its_server_can_be_stopped(start: Start) -> None:
    worker = start(url=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    wait_until(lambda: "server.away" in worker.log)
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    assert "hunter2" not in worker.log


def test_a_server_that_dies_and_comes_back_loses_nothing(new_server: Callable[..., Server], start: Start) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, lease=LEASE, patience=20.0)
    jobs = app.queue("default").enqueue_many("nap", [((f"n{n}", 0.02), {}) for n in range(60)])
    start(url=server.url)
    wait_until(lambda: jobs[3].refresh().status == "succeeded")
    server.restart()
    for job in jobs:
        assert job.wait(15.0).startswith("n")
    app.close()
