"""A child that is stuck outside of any job is found and replaced; and whoever asks is told whether a worker is well."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import redisq
from redisq.worker import health
from tests.servers import Server
from tests.waiting import wait_until

WORKER = [sys.executable, "-c", "import sys; from redisq.cli import main; sys.exit(main())"]
# The real limit, which a stuck child must pass, is long beside a test: here it is short.
HASTY = """
import sys
from redisq.cli import main
from redisq.worker import supervisor
supervisor.DEAF_TIME = 4.0
sys.exit(main())
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def run(command: list[str], *args: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen([*command, "--app", "tests.faults.napping:app", *args], stderr=log))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        assert process.wait(timeout=30) == 0


def workers(tmp_path: Path) -> list[str]:
    """The names of the children that were started."""
    return re.findall(r"worker\.started worker=(\S+)", (tmp_path / "log").read_text())


def child_of(process: subprocess.Popen[bytes]) -> int:
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return int((listing.stdout.split() or ["0"])[0])


def test_a_child_that_hears_nothing_is_replaced(
    start: Callable[..., subprocess.Popen[bytes]], redis_url: str, tmp_path: Path
) -> None:
    process = start([sys.executable, "-c", HASTY], "--queues", "q", "--url", redis_url)
    queue = redisq.RedisQ(redis_url).queue("q")
    job = queue.enqueue("unknown")
    wait_until(lambda: job.refresh().status == "scheduled")  # the child has claimed, and is idle again
    os.kill(child_of(process), signal.SIGSTOP)
    wait_until(lambda: len(workers(tmp_path)) == 2, 20)
    assert "worker.deaf" in (tmp_path / "log").read_text()
    again = queue.enqueue("unknown")
    wait_until(lambda: again.refresh().status == "scheduled")


def test_a_child_is_not_blamed_for_a_server_that_is_away(
    start: Callable[..., subprocess.Popen[bytes]], new_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    start([sys.executable, "-c", HASTY], "--queues", "q", "--url", server.url)
    queue = redisq.RedisQ(server.url).queue("q")
    first = queue.enqueue("unknown")
    wait_until(lambda: first.refresh().status == "scheduled")
    server.kill()
    wait_until(lambda: (tmp_path / "log").read_text().count("server.away") > 2, 30)
    server.start()
    second = queue.enqueue("unknown")
    wait_until(lambda: second.refresh().status == "scheduled", 20)
    assert len(workers(tmp_path)) == 1
    assert "worker.deaf" not in (tmp_path / "log").read_text()


def check(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WORKER, "--check", str(path)], capture_output=True, text=True, timeout=30)


def test_the_health_file_tells_whether_a_worker_is_well(
    start: Callable[..., subprocess.Popen[bytes]], redis_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "health"
    assert check(path).returncode == 1
    assert check(path).stderr == f"redisq-worker: no worker keeps {path}: No such file or directory\n"
    start(WORKER, "--queues", "q", "--url", redis_url, "--health-file", str(path))
    wait_until(path.exists)
    assert check(path).returncode == 0
    touched = path.stat().st_mtime
    wait_until(lambda: path.stat().st_mtime > touched)  # again and again
    old = touched - health.OLDEST - 1
    os.utime(path, (old, old))
    assert (health.check(str(path)) or "").startswith(f"{path} was last touched")


def test_a_health_file_that_cannot_be_is_wrong_usage(tmp_path: Path) -> None:
    command = [*WORKER, "--queues", "q", "--health-file", str(tmp_path / "no" / "file")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "not a file that can be written" in done.stderr
