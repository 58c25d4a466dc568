"""The app of the fault run: tasks of many sorts, each of which notes its start and its end outside of Redis.

A job is described by one string, `KEY SORT MS`: the key by which the checker knows it, what it is to do, and for how
long. It answers its key and its token, so that the record in Redis says which execution it was that counted.

$FAULTS_DIR is the run's directory, $FAULTS_SLOT the name of the worker, $FAULTS_LEASE its lease in seconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import resource
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import redisq
from tests.faults.history import History

MANY = 10_000_000
DIRECTORY = Path(os.environ.get("FAULTS_DIR", "."))
SLOT = os.environ.get("FAULTS_SLOT", "")

#: Where jobs wait; `hand` is for who claims without the worker.
QUEUES = ("high", "default", "low")
HAND = "hand"
FEED = "watch"

app = redisq.RedisQ(
    lease=float(os.environ.get("FAULTS_LEASE", "2")),
    retention=redisq.Retention(ended=MANY, dead=MANY, feed=MANY),  # the checker looks at every record
)


class Planned(Exception):
    """A job that is meant to fail."""


class Spec(NamedTuple):
    """What a job is to do."""

    key: str
    sort: str
    ms: int

    @classmethod
    def parse(cls, text: str) -> Spec:
        key, sort, ms = text.split(" ")
        return cls(key, sort, int(ms))

    def __str__(self) -> str:
        return f"{self.key} {self.sort} {self.ms}"


_history: list[History] = []


def history() -> History:
    """This process's; opened when it is first used."""
    if not _history:
        _history.append(History(DIRECTORY / "history" / f"{SLOT}.jsonl"))
    return _history[0]


def begin(text: str, job_id: str, token: int) -> Spec:
    """Note the start of a job."""
    spec = Spec.parse(text)
    where = {"pid": os.getpid(), "ppid": os.getppid(), "slot": SLOT}
    history().note("start", key=spec.key, sort=spec.sort, id=job_id, token=token, **where)
    return spec


def end(job_id: str, token: int, how: str) -> None:
    """Note the end of a job."""
    history().note("end", id=job_id, token=token, how=how, pid=os.getpid(), slot=SLOT)


def outcome(spec: Spec, token: int) -> dict[str, Any]:
    return {"key": spec.key, "token": token}


def work(text: str) -> dict[str, Any]:
    """Any sort but the asynchronous one."""
    job = redisq.current_job()
    spec = begin(text, job.id, job.token)
    try:
        _behave(spec, job)
    except Planned:
        end(job.id, job.token, "raise")
        raise
    end(job.id, job.token, "ok")
    return outcome(spec, job.token)


async def work_async(text: str) -> dict[str, Any]:
    job = redisq.current_job()
    spec = begin(text, job.id, job.token)
    await asyncio.sleep(spec.ms / 1000)
    end(job.id, job.token, "ok")
    return outcome(spec, job.token)


def _behave(spec: Spec, job: redisq.CurrentJob) -> None:
    if spec.ms:
        time.sleep(spec.ms / 1000)
    if spec.sort == "dead" or (spec.sort == "once" and job.attempt == 1):
        raise Planned(f"planned {job.token}")
    if spec.sort == "crash-always" or (spec.sort == "crash-once" and _is_first(spec.key)):
        end(job.id, job.token, "crash")
        _crash()
    if spec.sort == "chain":
        job.enqueue("noop", f"{spec.key}/f noop 0")
    if spec.sort == "across":
        job.enqueue(NOOP.options(queue="high" if job.queue == "low" else "low"), f"{spec.key}/f noop 0")


def _is_first(key: str) -> bool:
    try:
        (DIRECTORY / "crashed" / key).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _crash() -> None:
    """End this process in one of the ways in which processes end."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    way = random.choice(("exit", "segfault", "kill"))
    if way == "segfault":
        ctypes.string_at(0)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)


def _register(sort: str, **options: Any) -> redisq.Task[[str], Any]:
    return app.task(sort, timeout=options.pop("timeout", 20.0), **options)(work)


NOOP = _register("noop")
_register("brief", timeout=4.0)
_register("once", backoff=0.2)
_register("dead", backoff=0.1, max_attempts=3)
_register("crash-once")
_register("crash-always")
_register("chain")
_register("across")
_register("long")
_register("stuck", timeout=2.0)
app.task("async", timeout=20.0)(work_async)

#: Sort -> what becomes of it if nothing goes wrong.
ENDS = {sort: "failed" if sort in ("dead", "crash-always") else "succeeded" for sort in app.tasks}
