"""An app, workers and a producer for tests of topologies. The history is a file: what no server can lose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import redisq
from redisq import RedisQError

LEASE = 2.0
ROOT = Path(__file__).parent.parent.parent

app = redisq.RedisQ(lease=LEASE)


def note(event: str) -> None:
    """One line, whole, whoever else writes."""
    history = os.open(os.environ["HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(history, f"{event} {redisq.current_job().id} {time.time():.3f}\n".encode())
    os.close(history)


@app.task("nap", max_attempts=10, backoff=0.1)
def nap(seconds: float) -> str:
    note("start")
    time.sleep(seconds)
    note("end")
    return redisq.current_job().id


@app.task("pass_on")
def pass_on(queue: str) -> str:
    return redisq.current_job().enqueue(nap.options(queue=queue), 0.0).id


class Worker:
    """redisq-worker on some queues, in a `with` block. `log` is what it says."""

    def __init__(self, url: str, directory: Path, queues: str, *arguments: str) -> None:
        self.history = directory / "history"
        self.history.touch()
        self._log = directory / "worker.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REDISQ")}
        command = [sys.executable, "-m", "redisq.cli", "--app", "tests.system.working:app", "--url", url]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--queues", queues, "--lease", str(LEASE), *arguments],
                cwd=ROOT,
                env=environment | {"HISTORY": str(self.history)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20.0)
        finally:
            self.process.kill()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def events(self, kind: str) -> Counter[str]:
        """How often each job has done that: start or end."""
        return Counter(line.split()[1] for line in self.history.read_text().splitlines() if line.startswith(kind))

    def times(self, kind: str) -> list[float]:
        """When that was done, in seconds of the clock."""
        return [float(line.split()[2]) for line in self.history.read_text().splitlines() if line.startswith(kind)]


class Producer(threading.Thread):
    """Enqueues naps into queues in turn until it is told to stop. `acknowledged` are the ids of those jobs."""

    def __init__(self, url: str, *queues: str, seconds: float = 0.005, **options: Any) -> None:
        super().__init__(daemon=True)
        self.app = redisq.RedisQ(url, lease=LEASE, patience=10.0)
        self._queues = [self.app.queue(name).options(**options) for name in queues]
        self._seconds = seconds
        self._stopped = threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[Exception] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.app.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join(30.0)

    def count(self, queue: str) -> int:
        """Of the acknowledged, those in this queue."""
        return sum(job_id.startswith(f"{queue}.") for job_id in list(self.acknowledged))

    def run(self) -> None:
        number = 0
        while not self._stopped.wait(0.002):
            try:
                job = self._queues[number % len(self._queues)].enqueue("nap", self._seconds)
            except RedisQError as error:
                self.refused.append(error)
            else:
                self.acknowledged.append(job.id)
            number += 1


def unended(worker: Worker, ids: list[str]) -> set[str]:
    """Those of the jobs that have not run to their end yet."""
    return set(ids) - worker.events("end").keys()


def unsettled(app: redisq.RedisQ, ids: list[str]) -> dict[str, str]:
    """The status of those of the jobs that are not recorded as succeeded."""
    jobs = dict(zip(ids, app.find_jobs(ids), strict=True))
    return {
        job_id: job.status if job else "gone" for job_id, job in jobs.items() if not job or job.status != "succeeded"
    }
