"""redisq-worker as a process that a test starts, signals and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import redis

from tests.invariants import check

COMMAND = Path(sys.executable).parent / "redisq-worker"
ROOT = Path(__file__).parent.parent.parent
LEASE = 0.6


class Worker:
    """One redisq-worker. `log` is what it says."""

    def __init__(self, url: str, directory: Path, number: int, *arguments: str, **env: str) -> None:
        self.log_file = directory / f"worker-{number}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REDISQ")}
        environment |= {"REDISQ_URL": url, "HISTORY": str(directory / "history"), "PYTHONFAULTHANDLER": ""} | env
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def children(self) -> list[int]:
        listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in listing.stdout.split()]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def everybody(self, number: int) -> None:
        """Signal the supervisor and its children."""
        for pid in [self.process.pid, *self.children()]:
            os.kill(pid, number)

    def wait(self, timeout: float = 20.0) -> int:
        return self.process.wait(timeout)

    def end(self) -> None:
        for pid in [*self.children(), self.process.pid] if self.process.poll() is None else ():
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Worker]


def clean(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        check(client)
