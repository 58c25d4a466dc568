"""Workflows that worker processes run, and which outlive them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import redisq
from redisq import JobFailed, RedisQ
from tests.system import flowing
from tests.system.workers import LEASE, Start, Worker, clean
from tests.waiting import wait_until

Run = Callable[..., Worker]


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = flowing.app.replace(url=redis_url, lease=LEASE)
    yield app
    app.close()


@pytest.fixture
def run(start: Start) -> Run:
    def with_flowing(*arguments: str, queues: str = "default") -> Worker:
        return start(*arguments, queues=queues, app="tests.system.flowing:app")

    return with_flowing


def sum_of(app: RedisQ, count: int) -> redisq.Flow:
    """Jobs of `default`, one of `far` that adds their results up, and one of `default` that has the sum."""
    tasks = app.tasks
    parts = redisq.group(*[tasks["one"].call(n) for n in range(count)])
    return redisq.chain(parts, tasks["total"].call(), tasks["later"].call())


def test_one_worker_of_each_queue(app: RedisQ, run: Run, redis_url: str) -> None:
    run(queues="default")
    run("--threads", "4", queues="far")
    flows = [sum_of(app, 20).enqueue() for _ in range(5)]
    assert [flow.wait(20.0) for flow in flows] == [[190]] * 5
    clean(redis_url)


def test_a_burst_lasts_until_all_of_it_is_done(app: RedisQ, run: Run, redis_url: str) -> None:
    flow = sum_of(app, 20).enqueue()
    assert run("--burst", queues="default,far").wait() == 0
    assert flow.status == "succeeded"
    assert flow.result == [190]
    clean(redis_url)


def test_no_crash_cuts_it_in_two(app: RedisQ, run: Run, tmp_path: Path, redis_url: str) -> None:
    tasks = app.tasks
    steps = redisq.group(tasks["kill_worker"].call(0), tasks["one"].call(1))
    flow = redisq.chain(steps, tasks["total"].call(), tasks["kill_worker"].call(3), tasks["later"].call()).enqueue()
    for _ in range(3):
        worker = run(queues="default,far")
        wait_until(lambda worker=worker: worker.process.poll() is not None or flow.refresh().status != "running", 20.0)
    assert flow.wait(20.0) == [3]
    assert (tmp_path / "history").read_text() == "one 1\ntotal 0 1\nlater\n"
    clean(redis_url)


def test_a_worker_that_dies_behind_the_parent_has_queued_the_child(app: RedisQ, run: Run, redis_url: str) -> None:
    flow = sum_of(app, 3).enqueue()
    worker = run(queues="default")
    wait_until(lambda: sum(job.status == "succeeded" for job in flow.refresh().jobs) == 3, 20.0)
    worker.everybody(signal.SIGKILL)
    worker.wait()
    run(queues="far,default")
    assert flow.wait(20.0) == [3]
    clean(redis_url)


def test_a_failure_and_a_retry(app: RedisQ, run: Run, tmp_path: Path, redis_url: str) -> None:
    tasks = app.tasks
    flow = redisq.chain(
        tasks["one"].call(1), tasks["boom"].call(), tasks["total"].call(), on_failure=tasks["alarm"].call()
    )
    run("--concurrency", "3", queues="default,far")
    running = flow.enqueue()
    with pytest.raises(JobFailed, match="boom"):
        running.wait(20.0)
    history = tmp_path / "history"
    assert history.read_text() == "one 1\nalarm RuntimeError: boom\n"
    (tmp_path / "mended").touch()
    running = app.workflow(running.id).retry()
    with pytest.raises(JobFailed, match="NoneType"):  # boom returns nothing, of which there is no sum
        running.wait(20.0)
    clean(redis_url)
