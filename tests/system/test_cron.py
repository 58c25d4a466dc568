"""The timetable with workers as processes, which are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from redisq import RedisQ
from tests.invariants import check
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
LEASE = 1.0


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker in a process group of its own."""
    workers: list[subprocess.Popen[bytes]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REDISQ")}

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "redisq.cli", "--app", "tests.system.beating:app", "--queues", "default"]
        with (tmp_path / "log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--url", redis_url, "--lease", str(LEASE), *arguments],
                cwd=ROOT,
                env=environment | {"HISTORY": str(tmp_path / "history")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        workers.append(worker)
        return worker

    yield run
    for worker in workers:
        kill(worker)


def kill(worker: subprocess.Popen[bytes]) -> None:
    """The supervisor and its children, at once."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def beats(directory: Path) -> dict[str, set[int]]:
    """By job id, when it was enqueued, ms: more than one would be a tick that was made twice."""
    file = directory / "history"
    found: dict[str, set[int]] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        _, job_id, token = line.split()
        found.setdefault(job_id, set()).add(int(token) >> 20)
    return found


def test_every_second_makes_one_job_whoever_is_killed(
    redis_url: str, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    workers = [start(), start()]
    for wanted in (3, 6, 9):
        wait_until(lambda wanted=wanted: len(beats(tmp_path)) >= wanted, 60.0)
        kill(workers.pop(0))
        workers.append(start())
    for worker in workers:  # for a moment there is none
        kill(worker)
    survivor = start()
    wait_until(lambda: len(beats(tmp_path)) >= 14, 60.0)
    survivor.send_signal(signal.SIGTERM)
    assert survivor.wait(20.0) == 0
    made = beats(tmp_path)
    assert all(len(times) == 1 for times in made.values())
    ticks = sorted(datetime.strptime(name.rpartition(".")[2], "%Y%m%dT%H%M%S%z").timestamp() for name in made)
    assert [later - earlier for earlier, later in pairwise(ticks)] == [1.0] * (len(ticks) - 1)
    with redis.Redis.from_url(redis_url) as client:
        check(client)
    assert "ERROR" not in (tmp_path / "log").read_text()


def test_a_burst_makes_no_ticks(redis_url: str, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    assert start("--burst").wait(20.0) == 0
    app = RedisQ(redis_url)
    assert app.timetable("default").entries() == []
    assert beats(tmp_path) == {}
    app.close()
