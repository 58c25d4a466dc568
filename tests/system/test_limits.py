"""A limit across workers, of which one is killed in the middle: its slots come back, and no more run than may."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import redis

from redisq import RedisQ
from tests.system.workers import Start, clean
from tests.waiting import wait_until

JOBS = 10


def test_slots_of_a_worker_that_is_killed_come_back(
    app: RedisQ, client: redis.Redis, start: Start, tmp_path: Path, redis_url: str
) -> None:
    history = tmp_path / "history"

    def lines() -> list[list[str]]:
        return [line.split() for line in history.read_text().splitlines()] if history.exists() else []

    queue = app.queue("default")
    jobs = queue.options(concurrency=2).enqueue_many("nap", [((f"job-{n}", 0.5), {}) for n in range(JOBS)])
    for _ in range(4):
        start()
    wait_until(lambda: len(lines()) >= 4)
    # whoever began last is in the middle of it
    _, killed, *processes = next(line for line in reversed(lines()) if line[0] == "start")
    for pid in reversed(processes):  # of one of these workers: the supervisor first, or it would start another child
        os.kill(int(pid), signal.SIGKILL)

    assert [job.wait(timeout=60.0) for job in jobs] == [f"job-{n}" for n in range(JOBS)]
    running: set[str] = set()
    runs: list[str] = []
    for what, name, *process in lines():
        if what == "end":
            running.discard(name)
        else:
            runs.append(name)
            running.add(name)
            if name == killed and process == processes:
                running.discard(name)  # it may have ended long before its slot is free
        assert len(running) <= 2
    assert runs.count(killed) == 2
    assert sorted({*runs}) == sorted(f"job-{n}" for n in range(JOBS))
    assert not client.keys("redisq:{default}:slots:*")
    clean(redis_url)
