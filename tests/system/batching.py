"""An app whose tasks take batches; each call is a line of the file $HISTORY: its task, its process and its jobs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from redisq import CurrentJob, RedisQ, current_job
from redisq.errors import NoCurrentJob
from tests.system.tasks import note

app = RedisQ()


def behave(task: str, jobs: list[CurrentJob]) -> list[Any]:
    """As each job's `do` says: its name is the result, or an error that is its own."""
    note(task, os.getpid(), *(job.args[0] for job in jobs))
    for job in jobs:
        match job.kwargs.get("do"):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise ValueError("all of it")
            case "wait":
                while True:  # what is to stop in a thread can do so between two steps
                    time.sleep(0.01)
            case "pause":
                time.sleep(0.5)
            case "again":
                job.enqueue("one", job.args[0])
    return [OSError("mine") if job.kwargs.get("do") == "bad" else job.args[0] for job in jobs]


@app.task("index", batch=5, backoff=0.0)
def index(jobs: list[CurrentJob]) -> list[Any]:
    return behave("index", jobs)


@app.task("patient", batch=5, linger=0.7, backoff=0.0)
def patient(jobs: list[CurrentJob]) -> None:
    behave("patient", jobs)


@app.task("endless", batch=5, linger=60.0, backoff=0.0)
def endless(jobs: list[CurrentJob]) -> None:
    behave("endless", jobs)


@app.task("index_async", batch=5, backoff=0.0)
async def index_async(jobs: list[CurrentJob]) -> list[Any]:
    await asyncio.sleep(0.01)
    return behave("index_async", jobs)


@app.task("late", batch=5, timeout=0.4, max_attempts=2, backoff=0.0)
def late(jobs: list[CurrentJob]) -> list[Any]:
    return behave("late", jobs)


@app.task("soft", batch=5, soft_timeout=0.2, max_attempts=1)
def soft(jobs: list[CurrentJob]) -> list[Any]:
    return behave("soft", jobs)


@app.task("who", batch=5)
def who(jobs: list[CurrentJob]) -> list[Any]:
    for done, job in enumerate(jobs):
        job.set_progress(done, len(jobs))
    try:
        current_job()
    except NoCurrentJob:
        return [[job.id, job.attempt, job.token] for job in jobs]
    return []


@app.task("one")
def one(name: str) -> str:
    note("one", os.getpid(), name)
    return name
