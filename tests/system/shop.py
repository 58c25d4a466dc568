"""A worker whose app is a file that a test may write anew. What its jobs do stands in a history."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from redisq import Job, RedisQ
from tests.system.workers import LEASE, Worker
from tests.waiting import wait_until

CODE = """
import os, time
import redisq

app = redisq.RedisQ(lease={lease})
hoarded = []

def note(*words):
    history = os.open(os.environ["HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(history, (" ".join(map(str, words)) + "\\n").encode())
    os.close(history)

@app.task("nap")
def nap(name, seconds):
    note("start", name, os.getpid(), time.monotonic(), {version!r})
    time.sleep(seconds)
    note("end", name)
    return {version!r}

@app.task("hold")
def hold(name):
    note("start", name, os.getpid(), time.monotonic(), {version!r})
    while not os.path.exists(os.environ["HISTORY"] + "-" + name):
        time.sleep(0.01)
    note("end", name)
    return {version!r}

@app.task("hoard")
def hoard(mib):
    hoarded.append(b"x" * (mib * 1024 * 1024))
    return os.getpid()
"""


class Shop:
    """The file, the queue "default" that its jobs are in, and its workers."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.app = RedisQ(url, lease=LEASE)
        self.queue = self.app.queue("default")
        self.workers: list[Worker] = []
        self.environ = {
            "HISTORY": str(directory / "history"),
            "PYTHONPATH": str(directory),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file that is written twice in a second looks the same to a cache
            "SPT_NOENV": "1",  # so that setproctitle leaves the environment where `left` finds it
        }
        self.write("v1")

    def write(self, version: str, code: str = CODE) -> None:
        """New code, whole or not at all."""
        draft = self.directory / "draft"
        draft.write_text(code.format(version=version, lease=LEASE))
        draft.rename(self.directory / "shop.py")

    def start(self, *arguments: str, **env: str) -> Worker:
        """A worker that serves."""
        usual = ("--queues", "default", "--app", "shop:app", "--lease", str(LEASE))
        worker = Worker(self.url, self.directory, len(self.workers), *usual, *arguments, **self.environ | env)
        self.workers.append(worker)
        wait_until(lambda: "worker.started" in worker.log)
        return worker

    def hold(self, name: str) -> Job:
        """A job that has begun, and runs until `let_go`."""
        job = self.queue.enqueue("hold", name)
        wait_until(lambda: self.history(f"start {name}"))
        return job

    def let_go(self, name: str) -> None:
        (self.directory / f"history-{name}").touch()

    def version(self) -> str:
        """Of the code that a job runs with."""
        return str(self.queue.enqueue("nap", "which", 0.0).wait(20.0))

    def history(self, beginning: str) -> list[list[str]]:
        """The words of the lines that begin so."""
        file = self.directory / "history"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split() for line in lines if line.startswith(beginning)]

    def largest_gap(self) -> float:
        """Seconds between two starts of jobs."""
        times = sorted(float(words[3]) for words in self.history("start"))
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def left(self) -> list[str]:
        """The processes of all workers that there were: in their environment stands our directory."""
        listing = subprocess.run(["ps", "axewww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        return [row[0] for row in rows if f"HISTORY={self.directory}" in row[-1] and row[1][0] != "Z"]

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        wait_until(lambda: not self.left(), message="nothing is left running")
        self.app.close()
