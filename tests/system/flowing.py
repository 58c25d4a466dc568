"""An app of workflows; each job appends what it does to the file $HISTORY."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import redisq
from tests.system.tasks import note

app = redisq.RedisQ()


@app.task("one")
def one(number: int) -> int:
    note("one", number)
    return number


@app.task("total", queue="far")
def total() -> int:
    results = redisq.current_job().results()
    note("total", *results)
    return sum(results)


@app.task("later")
def later() -> Any:
    note("later")
    return redisq.current_job().results()


@app.task("boom", max_attempts=1)
def boom() -> None:
    if not Path(os.environ["HISTORY"]).with_name("mended").exists():
        raise RuntimeError("boom")


@app.task("alarm")
def alarm() -> None:
    parents = redisq.current_job().parents()
    note("alarm", *(parent.error for parent in parents if parent.status == "failed"))


@app.task("kill_worker")
def kill_worker(number: int) -> int:
    """The first time, its supervisor dies with it."""
    mark = Path(os.environ["HISTORY"]).with_name(f"killed-{number}")
    if not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return number
