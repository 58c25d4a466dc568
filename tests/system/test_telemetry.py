"""Traces and metrics of real workers: spans leave a process before it ends, and numbers of several are added up."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.error import URLError

import pytest

import redisq
from redisq import RedisQ
from tests.system.workers import ROOT, Start
from tests.waiting import wait_until

APP = "tests.system.measured:app"
TRACE = f"{5:032x}"


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes of workers write their numbers."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    return tmp_path / "metrics"


@pytest.fixture
def scraped(metrics: Path, redis_url: str) -> Iterator[str]:
    """The URL of the program that serves metrics."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "redisq.contrib.prometheus", "--app", APP, "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"REDISQ_URL": redis_url}, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/metrics"
    process.terminate()
    process.wait()


def scrape(url: str) -> dict[str, float]:
    """The value of each line; none while nobody answers."""
    with suppress(URLError), urllib.request.urlopen(url, timeout=5) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {}


def spans(tmp_path: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = re.findall(r"^span (\S+) (\S+)$", (tmp_path / "history").read_text(), re.MULTILINE)
    return sorted(found)


def test_the_numbers_of_all_processes_are_added_up(start: Start, app: RedisQ, metrics: Path, scraped: str) -> None:
    jobs = [app.queue("default").enqueue("meet") for _ in range(2)]
    worker = start("--processes", "2", "--burst", app=APP)
    assert worker.wait() == 0, worker.log
    assert len({job.refresh().result for job in jobs}) == 2
    assert len(list(metrics.glob("counter_*.db"))) == 2
    app.queue("low").put("payload")
    told = wait_until(lambda: scrape(scraped), timeout=30.0)
    by = '{queue="default",task="meet"}'
    assert told['redisq_job_runs_total{outcome="succeeded",queue="default",task="meet"}'] == 2
    assert told[f"redisq_job_run_seconds_count{by}"] == told[f"redisq_job_wait_seconds_count{by}"] == 2
    assert told['redisq_jobs{queue="low",status="queued"}'] == 1
    assert told["redisq_up"] == 1


@pytest.mark.parametrize("kind", [(), ("--threads", "2"), ("--concurrency", "2")], ids=" ".join)
def test_spans_leave_with_the_process(start: Start, app: RedisQ, tmp_path: Path, kind: tuple[str, ...]) -> None:
    queue = app.queue("default").options(headers={"traceparent": f"00-{TRACE}-{6:016x}-01"})
    jobs = [queue.enqueue("double", n) for n in range(3)]
    worker = start("--burst", *kind, app=APP)
    assert worker.wait() == 0, worker.log
    assert [job.result for job in redisq.wait(jobs, timeout=5)] == [0, 2, 4]
    assert spans(tmp_path) == [("process-default", TRACE)] * 3
