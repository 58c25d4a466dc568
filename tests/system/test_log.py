"""What jobs log can be read from outside, whichever kind of child runs them, and is gone when they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import redis

from redisq import Job, RedisQ
from tests.system.workers import Start, clean
from tests.waiting import wait_until


@pytest.fixture
def start(start: Start) -> Start:
    return partial(start, app="tests.system.chatty:app")


def texts(job: Job) -> list[str]:
    return [entry.text for entry in job.logs()]


@pytest.mark.parametrize(
    ("flags", "task"),
    [((), "say"), ((), "say_async"), (("--threads", "4"), "say"), (("--concurrency", "4"), "say_async")],
)
def test_each_job_has_its_own_log(
    app: RedisQ, start: Start, redis_url: str, flags: tuple[str, ...], task: str
) -> None:
    jobs = app.queue("default").enqueue_many(task, [((f"j{n}",), {}) for n in range(8)])
    assert start("--burst", *flags).wait() == 0
    for number, job in enumerate(jobs):
        assert texts(job) == [f"j{number} begins", f"j{number} goes on", f"j{number} ends"]
        assert job.refresh().created_at <= job.logs()[0].time <= job.refresh().finished_at
    clean(redis_url)


def test_it_is_read_while_the_job_runs_and_after_its_retry(
    app: RedisQ, start: Start, redis_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = app.queue("default").enqueue("say", "j", str(gate), "fail")
    worker = start("--burst")
    wait_until(lambda: texts(job) == ["j begins"])
    assert job.refresh().status == "running"
    gate.touch()
    assert worker.wait() == 0
    assert [(entry.attempt, entry.text) for entry in job.logs()] == [
        *((1, "j begins"), (1, "j goes on")),
        *((2, "j begins"), (2, "j goes on"), (2, "j ends")),
    ]
    clean(redis_url)


def test_what_a_job_said_before_its_process_died_is_there(
    app: RedisQ, start: Start, redis_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    job = app.queue("default").enqueue("say", "j", str(gate), "die")
    worker = start("--threads", "2", "--burst")
    wait_until(lambda: texts(job) == ["j begins", "j goes on"])
    (tmp_path / "gate.die").touch()
    job.wait(20.0)
    assert worker.wait() == 0
    # a crash is no attempt
    assert [(entry.attempt, entry.text) for entry in job.logs()].count((1, "j begins")) == 2
    clean(redis_url)


def test_the_newest_lines_stay_and_long_ones_are_cut(
    app: RedisQ, start: Start, client: redis.Redis, redis_url: str
) -> None:
    job = app.queue("default").enqueue("babble", 5000, 2000)
    assert start("--burst").wait() == 0
    entries = job.logs()
    assert [int(entry.text.split()[0]) for entry in entries] == list(range(4900, 5000))
    assert all(entry.text.endswith("é…") and 1020 <= len(entry.text.encode()) <= 1024 for entry in entries)
    kept = client.pttl(f"redisq:{{default}}:job:{job.local_id}")
    assert 0 < client.pttl(f"redisq:{{default}}:log:{job.local_id}") <= kept
    clean(redis_url)
