"""Middleware in real workers: the same in processes that run one job at a time, in threads and in an event loop."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import redisq
from redisq import RedisQ
from tests.system.workers import Start
from tests.waiting import wait_until

APP = "tests.system.around:app"
KINDS = pytest.mark.parametrize("kind", [(), ("--threads", "3"), ("--concurrency", "3")], ids=" ".join)


def lines(tmp_path: Path) -> list[str]:
    file = tmp_path / "history"
    return file.read_text().splitlines() if file.exists() else []


@KINDS
def test_jobs_run_inside_of_it(start: Start, app: RedisQ, tmp_path: Path, kind: tuple[str, ...]) -> None:
    queue = app.queue("default").options(headers={"who": "ada"})
    jobs = [queue.enqueue(task) for task in ("plain", "coroutine", "failing")]
    assert start("--burst", *kind, app=APP).wait() == 0
    plain, coroutine, failing = redisq.wait(jobs, timeout=5)
    assert (plain.result, coroutine.result, failing.error) == ("ada", "ada", "ValueError: ada")
    told = lines(tmp_path)
    assert told[-1].startswith("close ")
    assert sorted(told[:-1]) == sorted(
        [
            *("enter plain 1", "exit plain", "after plain 1 succeeded True"),
            *("enter coroutine 1", "exit coroutine", "after coroutine 1 succeeded True"),
            *("enter failing 1", "saw failing ValueError", "exit failing", "after failing 1 retried True"),
            *("enter failing 2", "saw failing ValueError", "exit failing", "after failing 2 dead True"),
        ]
    )


@pytest.mark.parametrize(
    ("task", "kind", "error"),
    [
        ("sleep", (), "Stopped"),
        ("sleep_async", (), "CancelledError"),
        ("sleep", ("--threads", "3"), "Stopped"),
        ("sleep_async", ("--concurrency", "3"), "CancelledError"),
    ],
)
def test_it_sees_a_job_that_is_cancelled(
    start: Start, app: RedisQ, tmp_path: Path, task: str, kind: tuple[str, ...], error: str
) -> None:
    worker = start(*kind, app=APP)
    job = app.queue("default").enqueue(task)
    wait_until(lambda: "sleeping" in lines(tmp_path))
    job.cancel()
    with pytest.raises(redisq.JobCancelled):
        job.wait(timeout=10)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    wanted = [f"enter {task} 1", "sleeping", f"saw {task} {error}", f"exit {task}", f"after {task} 1 cancelled True"]
    assert lines(tmp_path)[:-1] == wanted


def test_it_sees_a_soft_limit(start: Start, app: RedisQ, tmp_path: Path) -> None:
    jobs = [app.queue("default").enqueue(task) for task in ("stay", "stay_async")]
    assert start("--burst", app=APP).wait() == 0
    assert [job.refresh().error for job in jobs] == ["SoftTimeout: it ran longer than 0.2 s"] * 2
    told = [line for line in lines(tmp_path) if line.startswith(("saw", "after"))]
    assert [line.split()[1:] for line in told if line.startswith("after")] == [
        ["stay", "1", "dead", "True"],
        ["stay_async", "1", "dead", "True"],
    ]
    assert [line.split()[-1] for line in told if line.startswith("saw")] == ["soft", "soft"]


def test_follow_ups_run_inside_too(start: Start, app: RedisQ, tmp_path: Path) -> None:
    job = app.queue("default").enqueue("parent")
    assert start("--burst", app=APP).wait() == 0
    assert app.job(job.refresh().result).result == "?"
    assert lines(tmp_path)[3:-1] == ["enter plain 1", "exit plain", "after plain 1 succeeded True"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_each_process_is_closed_once(start: Start, app: RedisQ, tmp_path: Path, how: int) -> None:
    worker = start("--processes", "2", app=APP)
    children = wait_until(lambda: pids if len(pids := worker.children()) == 2 else None)
    job = app.queue("default").enqueue("plain")
    job.wait(timeout=10)
    worker.signal(how)
    assert worker.wait() == 0
    assert sorted(line for line in lines(tmp_path) if "close" in line) == sorted(f"close {pid}" for pid in children)
