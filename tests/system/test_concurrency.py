"""redisq-worker --threads and --concurrency: what runs at once, what is alone, and what ends what."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis

from redisq import Job, JobCancelled, JobFailed, RedisQ
from tests.servers import Server
from tests.system.workers import LEASE, Start, clean
from tests.waiting import alive, wait_until

History = Callable[..., list[list[str]]]


@pytest.fixture
def start(start: Start) -> Start:
    """Starts redisq-worker with the app of these tests: `start("--threads", "5")`."""
    return partial(start, app="tests.system.together:app")


@pytest.fixture
def history(tmp_path: Path) -> History:
    """The words of the lines that begin so."""

    def lines(*beginning: str) -> list[list[str]]:
        file = tmp_path / "history"
        rows = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [row for row in rows if tuple(row[: len(beginning)]) == beginning]

    return lines


def spans(history: History) -> list[tuple[float, float, str]]:
    """Begin, end and name of all runs that came to their end."""
    begins: dict[tuple[str, str], float] = {}
    done = []
    for what, name, *rest in history():
        if what == "start":
            begins[name, rest[0]] = float(rest[1])
        elif what == "end":
            done.append((begins[name, rest[0]], float(rest[1]), name))
    return done


def most_at_once(runs: list[tuple[float, float, str]]) -> int:
    changes = sorted([(begin, 1) for begin, _, _ in runs] + [(end, -1) for _, end, _ in runs])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def running(history: History, *names: str) -> None:
    wait_until(lambda: all(history("start", name) for name in names))


# What runs at once


@pytest.mark.parametrize(("flag", "task"), [("--concurrency", "sleep_async"), ("--threads", "sleep")])
def test_fifty_jobs_that_wait_wait_together(
    app: RedisQ, start: Start, history: History, redis_url: str, flag: str, task: str
) -> None:
    jobs = app.queue("default").enqueue_many(task, [((f"j{n}", 0.2), {}) for n in range(50)])
    assert start("--burst", flag, "50").wait() == 0
    assert [job.wait(0.0) for job in jobs] == [f"j{n}" for n in range(50)]
    runs = spans(history)
    assert max(end for _, end, _ in runs) - min(begin for begin, _, _ in runs) < 2.0
    assert most_at_once(runs) > 40
    clean(redis_url)


def test_no_more_run_at_once_than_may(app: RedisQ, start: Start, history: History, redis_url: str) -> None:
    calls = [((f"{kind}{n}", 0.02), {}) for n in range(20) for kind in ("t", "a")]
    for call in calls:
        app.queue("default").enqueue("sleep" if call[0][0].startswith("t") else "sleep_async", *call[0])
    assert start("--burst", "--threads", "2", "--concurrency", "3").wait(30.0) == 0
    runs = spans(history)
    assert len(runs) == 40
    assert most_at_once([run for run in runs if run[2].startswith("t")]) == 2
    assert 1 < most_at_once([run for run in runs if run[2].startswith("a")]) <= 3
    assert most_at_once(runs) <= 3
    clean(redis_url)


def test_threads_the_loop_and_processes_together(app: RedisQ, start: Start, history: History, redis_url: str) -> None:
    plain = app.queue("default").enqueue_many("sleep", [((f"t{n}", 0.2), {}) for n in range(8)])
    coroutines = app.queue("default").enqueue_many("sleep_async", [((f"a{n}", 0.2), {}) for n in range(12)])
    start("--threads", "4", "--concurrency", "10", "--processes", "2")
    assert [job.wait(10.0) for job in [*plain, *coroutines]] == [job.args[0] for job in [*plain, *coroutines]]
    assert len({row[2] for row in history("start")}) == 2
    wait_until(lambda: app.queue("default").counts()["running"] == 0)
    clean(redis_url)


def test_a_job_that_ends_is_settled_at_once_and_one_that_comes_starts_at_once(
    app: RedisQ, start: Start, history: History
) -> None:
    """While another runs, and places are free: the worker waits for both."""
    start("--threads", "3")
    long = app.queue("default").enqueue("sleep", "long", 60)
    running(history, "long")
    took = []
    for n in range(20):
        began = time.monotonic()
        app.queue("default").enqueue("sleep", f"short{n}", 0.0).wait(5.0)
        took.append(time.monotonic() - began)
    assert sorted(took)[10] < 0.05
    assert long.refresh().status == "running"


def test_jobs_start_in_the_order_in_which_they_were_enqueued(app: RedisQ, start: Start, history: History) -> None:
    """Also those that found no free thread, and were given back."""
    queue = app.queue("default")
    for n in range(12):
        queue.enqueue("sleep", f"{n}", 0.06)
    worker = start("--burst", "--concurrency", "8", "--log-level", "debug")
    assert worker.wait(20.0) == 0
    assert [row[1] for row in history("start")] == [f"{n}" for n in range(12)]
    assert max(job.refresh().attempt for job in queue.jobs("succeeded")) == 1


def test_a_burst_ends_only_when_nothing_runs(app: RedisQ, start: Start, history: History, redis_url: str) -> None:
    job = app.queue("default").enqueue("sleep_async", "last", 0.5)
    assert start("--burst", "--concurrency", "3").wait() == 0
    assert job.refresh().status == "succeeded"
    clean(redis_url)


# What a job sees and raises


def test_each_job_sees_itself(app: RedisQ, start: Start) -> None:
    queue = app.queue("default")
    jobs = [queue.enqueue(("who_in_thread", "who_in_loop")[n % 2], n) for n in range(40)]
    assert start("--burst", "--threads", "5", "--concurrency", "9").wait() == 0
    for job in jobs:
        assert job.wait(0.0) == [[job.args[0], job.id]] * len(job.wait(0.0))


@pytest.mark.parametrize("where", ["raise_in_thread", "raise_in_loop"])
@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit"])
def test_what_a_job_raises_is_its_own(app: RedisQ, start: Start, where: str, error: str) -> None:
    queue = app.queue("default")
    neighbours = [queue.enqueue(task, task, 0.3) for task in ("sleep", "sleep_async")]
    bad = queue.enqueue(where, error)
    worker = start("--burst", "--threads", "3", "--concurrency", "3")
    assert worker.wait() == 0
    assert [job.wait(0.0) for job in neighbours] == ["sleep", "sleep_async"]
    assert (bad.refresh().status, bad.refresh().error) == ("failed", f"{error}: mine")
    assert worker.log.count("worker.started") == 1


def test_a_job_cannot_end_the_loop_of_the_others(app: RedisQ, start: Start) -> None:
    queue = app.queue("default")
    neighbour = queue.enqueue("sleep_async", "neighbour", 0.3)
    first, second = queue.enqueue("raise_in_task"), queue.enqueue("stop_the_loop")
    worker = start("--burst", "--concurrency", "5")
    assert worker.wait() == 0
    assert [job.wait(0.0) for job in (neighbour, first, second)] == ["neighbour", "SystemExit('mine')", "still here"]
    assert worker.log.count("worker.started") == 1


# Time limits and cancels


def timed_out(job: Job, limit: str) -> None:
    with pytest.raises(JobFailed, match=f"timeout: it ran longer than {limit} s"):
        job.wait(12.0)


@pytest.mark.parametrize("task", ["sleep_async", "spin", "tidy"])
def test_a_job_over_its_time_is_asked_to_stop_and_its_neighbours_go_on(
    app: RedisQ, start: Start, history: History, redis_url: str, task: str
) -> None:
    worker = start("--threads", "2", "--concurrency", "2")
    neighbour = app.queue("default").enqueue("sleep_async", "neighbour", 2.0)
    running(history, "neighbour")
    arguments = ("late",) if task != "sleep_async" else ("late", 60)
    job = app.queue("default").options(timeout=0.3, max_attempts=2).enqueue(task, *arguments)
    timed_out(job, "0.3")
    assert len(history("start", "late")) == 2
    assert not history("end", "late")
    assert len(history("tidied")) == (2 if task == "tidy" else 0)
    assert neighbour.wait(5.0) == "neighbour"
    assert len(history("start", "neighbour")) == 1
    assert worker.log.count("worker.started") == 1
    clean(redis_url)


@pytest.mark.parametrize("task", ["patient", "patient_async"])
def test_a_job_is_told_of_its_soft_limit_and_its_neighbours_go_on(app: RedisQ, start: Start, task: str) -> None:
    queue = app.queue("default")
    neighbours = [queue.enqueue("sleep", "n", 1.0), queue.enqueue("sleep_async", "m", 1.0)]
    caught, raised = queue.enqueue(task, "caught", True), queue.enqueue(task, "raised", False)
    start("--threads", "4", "--concurrency", "4")
    assert caught.wait(20.0) == "some of it"
    with pytest.raises(JobFailed, match=r"^SoftTimeout: it ran longer than 0\.3 s$"):
        raised.wait(20.0)
    assert [job.wait(20.0) for job in neighbours] == ["n", "m"]
    assert [job.refresh().attempt for job in (caught, raised, *neighbours)] == [1, 1, 1, 1]


def test_a_job_that_cannot_stop_is_killed_and_its_neighbours_run_again_without_blame(
    app: RedisQ, start: Start, history: History, client: redis.Redis
) -> None:
    worker = start("--threads", "3")
    job = app.queue("default").options(timeout=0.3, max_attempts=1).enqueue("sleep", "late", 60)
    neighbours = [app.queue("default").enqueue("sleep", f"n{n}", 7.0) for n in range(2)]
    running(history, "late", "n0", "n1")
    timed_out(job, "0.3")
    assert [neighbour.wait(15.0) for neighbour in neighbours] == ["n0", "n1"]
    assert [len(history("start", name)) for name in ("late", "n0", "n1")] == [1, 2, 2]
    for neighbour in neighbours:
        assert neighbour.refresh().attempt == 1
        assert client.hmget(f"redisq:{{default}}:job:{neighbour.local_id}", "k", "q") == [None, None]
    assert worker.log.count("killing") == 1


@pytest.mark.parametrize("task", ["sleep_async", "spin"])
def test_a_job_that_is_cancelled_stops_alone(
    app: RedisQ, start: Start, history: History, redis_url: str, task: str
) -> None:
    worker = start("--threads", "2", "--concurrency", "2")
    neighbour = app.queue("default").enqueue("sleep_async", "neighbour", 1.5)
    job = app.queue("default").enqueue(task, *(("victim",) if task == "spin" else ("victim", 60)))
    running(history, "neighbour", "victim")
    began = time.monotonic()
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(5.0)
    assert time.monotonic() - began < 1.0
    assert neighbour.wait(5.0) == "neighbour"
    assert len(history("start")) == 2
    assert worker.log.count("worker.started") == 1
    clean(redis_url)


def test_a_job_that_is_cancelled_and_cannot_stop_is_killed(app: RedisQ, start: Start, history: History) -> None:
    worker = start("--threads", "2")
    job = app.queue("default").enqueue("sleep", "victim", 60)
    neighbour = app.queue("default").enqueue("sleep", "neighbour", 6.0)
    running(history, "neighbour", "victim")
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(10.0)
    assert "job.unstoppable" in worker.log
    assert neighbour.wait(10.0) == "neighbour"
    assert neighbour.refresh().attempt == 1


# Deaths


def test_a_child_that_is_killed_has_all_its_jobs_run_again_and_the_second_time_alone(
    app: RedisQ, start: Start, history: History, client: redis.Redis, redis_url: str
) -> None:
    jobs = [app.queue("default").enqueue("sleep", f"j{n}", 0.8) for n in range(5)]
    start("--threads", "5")
    for time_ in (1, 2):
        wait_until(lambda time_=time_: all(len(history("start", f"j{n}")) == time_ for n in range(5)))
        os.kill(int(history("start")[-1][2]), signal.SIGKILL)
        if time_ == 1:
            wait_until(lambda: client.hget(f"redisq:{{default}}:job:{jobs[0].local_id}", "q") == b"1")
    other = app.queue("default").enqueue("sleep", "other", 0.1)
    assert [job.wait(30.0) for job in jobs] == [f"j{n}" for n in range(5)]
    other.wait(10.0)
    assert [job.refresh().attempt for job in jobs] == [1] * 5
    assert most_at_once(spans(history)) == 1
    assert len(spans(history)) == 6
    wait_until(lambda: app.queue("default").counts()["running"] == 0)
    clean(redis_url)


def test_who_crashes_its_process_is_found_among_its_neighbours(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    queue = app.queue("default")
    bomb = queue.enqueue("bomb", 0.3)
    good = [queue.enqueue("sleep_async", f"j{n}", 0.5) for n in range(6)]
    start("--concurrency", "7")
    assert [job.wait(30.0) for job in good] == [f"j{n}" for n in range(6)]
    with pytest.raises(JobFailed, match="crashed: its worker died 3 times"):
        bomb.wait(20.0)
    assert len(history("bomb")) <= 5
    clean(redis_url)


def test_a_suspect_comes_to_its_turn_though_other_jobs_never_end(
    app: RedisQ, start: Start, history: History, client: redis.Redis
) -> None:
    """A busy worker holds something all the time: it makes room."""
    queue = app.queue("default")
    start("--concurrency", "4")
    stream = iter(range(10_000))
    for _ in range(4):
        queue.enqueue("sleep_async", f"j{next(stream)}", 0.1)
    running(history, "j0")
    suspect = queue.options(job_id="suspect", delay=1000.0).enqueue("sleep_async", "suspect", 0.2)
    base = "redisq:{default}:"
    client.hset(f"{base}job:suspect", "q", 2)
    client.hdel(f"{base}job:suspect", "s")
    client.zrem(f"{base}scheduled", "suspect")
    client.lpush(f"{base}suspects", "suspect")

    def feed() -> bool:
        if queue.counts()["queued"] < 8:
            queue.enqueue("sleep_async", f"j{next(stream)}", 0.1)
        return suspect.refresh().status == "succeeded"

    wait_until(feed, 20.0)
    (span,) = [run for run in spans(history) if run[2] == "suspect"]
    others = [run for run in spans(history) if run[2] != "suspect"]
    assert not [run for run in others if run[0] < span[1] and run[1] > span[0]]
    wait_until(lambda: queue.counts()["queued"] == queue.counts()["running"] == 0, 20.0)


def test_a_worker_that_is_killed_whole_is_survived(app: RedisQ, start: Start, history: History, redis_url: str) -> None:
    jobs = [app.queue("default").enqueue("sleep_async", f"j{n}", 1.0) for n in range(4)]
    worker = start("--concurrency", "4")
    running(history, "j0", "j3")
    worker.everybody(signal.SIGKILL)
    start("--concurrency", "4")
    assert [job.wait(10.0) for job in jobs] == [f"j{n}" for n in range(4)]


def test_a_child_without_a_supervisor_ends(app: RedisQ, start: Start, history: History) -> None:
    app.queue("default").enqueue("sleep", "orphan", 60)
    worker = start("--threads", "3")
    running(history, "orphan")
    worker.signal(signal.SIGKILL)
    pid = int(history("start")[0][2])
    wait_until(lambda: not alive(pid), 5.0)


def test_a_server_that_dies_and_comes_back_loses_nothing(
    new_server: Callable[..., Server], start: Start, history: History
) -> None:
    """Jobs end while it is away: they are settled when it is back, and none runs twice."""
    server = new_server(appendonly="yes", appendfsync="always")
    app = RedisQ(server.url, lease=LEASE, patience=20.0)
    tasks = ("sleep", "sleep_async")
    jobs = [app.queue("default").enqueue(tasks[n % 2], f"j{n}", 0.3) for n in range(30)]
    worker = start("--threads", "4", "--concurrency", "4", "--lease", "10", url=server.url)
    wait_until(lambda: jobs[3].refresh().status == "succeeded")
    server.kill()
    wait_until(lambda: "server.trouble" in worker.log)
    server.start()
    assert [job.wait(20.0) for job in jobs] == [f"j{n}" for n in range(30)]
    idle = app.queue("default").enqueue("sleep", "idle", 0.0)  # a wait that was lost is begun again
    assert idle.wait(10.0) == "idle"
    assert len(history("start")) == 31
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    app.close()


def test_a_worker_stops_while_its_server_is_away(
    new_server: Callable[..., Server], start: Start, history: History
) -> None:
    server = new_server()
    app = RedisQ(server.url, lease=LEASE)
    app.queue("default").enqueue("sleep", "long", 60)
    worker = start("--threads", "4", "--grace", "1", url=server.url)
    running(history, "long")
    server.kill()
    wait_until(lambda: "server.away" in worker.log)
    worker.signal(signal.SIGTERM)
    assert worker.wait(8.0) == 0
    app.close()


# Stops


def test_a_stop_lets_all_that_runs_finish_and_takes_no_other(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    queue = app.queue("default")
    jobs = [queue.enqueue(task, f"{task}{n}", 0.8) for n in range(2) for task in ("sleep", "sleep_async")]
    worker = start("--threads", "2", "--concurrency", "9")
    running(history, "sleep1", "sleep_async1")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "worker.stopping" in worker.log)
    waiting = queue.enqueue("sleep", "waiting", 0.0)
    assert worker.wait(5.0) == 0
    assert [job.refresh().status for job in jobs] == ["succeeded"] * 4
    assert waiting.refresh().status == "queued"
    clean(redis_url)


def test_what_does_not_finish_within_the_grace_is_given_back(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    jobs = [app.queue("default").enqueue(task, task, 60) for task in ("sleep", "sleep_async")]
    worker = start("--threads", "2", "--concurrency", "2", "--grace", "0.3")
    running(history, "sleep", "sleep_async")
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    assert [(job.refresh().status, job.refresh().attempt) for job in jobs] == [("queued", 1)] * 2
    clean(redis_url)


@pytest.mark.parametrize("arguments", [("--threads", "3"), ("--concurrency", "3", "--processes", "2")])
def test_an_idle_worker_stops_at_once(start: Start, redis_url: str, arguments: tuple[str, ...]) -> None:
    worker = start(*arguments)
    wait_until(lambda: "worker.started" in worker.log)
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    assert time.monotonic() - began < 1.5
    assert "Traceback" not in worker.log


def test_a_child_that_has_run_enough_is_replaced_while_its_jobs_finish(
    app: RedisQ, start: Start, history: History, redis_url: str
) -> None:
    jobs = [app.queue("default").enqueue("sleep_async", f"j{n}", 0.2) for n in range(20)]
    worker = start("--concurrency", "4", "--max-jobs", "5")
    assert [job.wait(20.0) for job in jobs] == [f"j{n}" for n in range(20)]
    assert "worker.worn" in worker.log
    assert len(history("start")) == 20
    worker.signal(signal.SIGTERM)
    assert worker.wait(5.0) == 0
    clean(redis_url)


# Weights


def shares(history: History) -> list[str]:
    return [row[1] for row in history("tick")]


@pytest.mark.parametrize("arguments", [(), ("--concurrency", "20"), ("--processes", "2")])
def test_weighted_queues_get_their_shares(
    app: RedisQ, start: Start, history: History, redis_url: str, arguments: tuple[str, ...]
) -> None:
    for name in ("high", "low"):
        app.queue(name).enqueue_many("tick", [((name,), {})] * 2000)
    assert start("--burst", *arguments, queues="low:1,high:6").wait(60.0) == 0
    order = shares(history)
    assert len(order) == 4000
    while_both = order[:1800]  # high has 2,000: with its share, it lasts for 2,333
    assert while_both.count("high") / while_both.count("low") == pytest.approx(6.0, rel=0.25)
    clean(redis_url)


def test_an_empty_queue_costs_the_other_nothing_and_saves_up_nothing(
    app: RedisQ, start: Start, history: History
) -> None:
    app.queue("low").enqueue_many("tick", [(("low",), {})] * 500)
    start("--concurrency", "5", queues="high:6,low:1")
    wait_until(lambda: len(shares(history)) == 500)
    app.queue("low").pause()
    app.queue("high").pause()
    for name in ("high", "low"):
        app.queue(name).enqueue_many("tick", [((name,), {})] * 700)
    app.queue("low").resume()
    app.queue("high").resume()
    wait_until(lambda: len(shares(history)) == 1900)
    both = shares(history)[600:1200]
    assert both.count("high") / both.count("low") == pytest.approx(6.0, rel=0.3)
