"""An app with a middleware that appends what it sees to the file $HISTORY."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from redisq import CurrentJob, Job, Middleware, RedisQ, SoftTimeout, current_job
from tests.system.tasks import note

who: ContextVar[str] = ContextVar("who", default="nobody")


class Noting(Middleware):
    @contextmanager
    def around_run(self, job: CurrentJob) -> Iterator[None]:
        token = who.set(job.headers.get("who", "?"))
        note("enter", job.task, job.attempt)
        try:
            yield
        except BaseException as error:
            note("saw", job.task, type(error).__name__, *["soft"] * isinstance(error, SoftTimeout))
            raise
        finally:
            who.reset(token)
            note("exit", job.task)

    def after_run(self, job: Job, outcome: str, seconds: float) -> None:
        note("after", job.task, job.attempt, outcome, seconds < 60)

    def close(self) -> None:
        note("close", os.getpid())


app = RedisQ(middleware=[Noting()])


@app.task("plain")
def plain() -> str:
    return who.get()


@app.task("coroutine")
async def coroutine() -> str:
    await asyncio.sleep(0)
    return who.get()


@app.task("failing", max_attempts=2, backoff=0.0)
def failing() -> None:
    raise ValueError(who.get())


@app.task("parent")
def parent() -> str:
    return current_job().enqueue(plain).id


@app.task("stay", soft_timeout=0.2, max_attempts=1)
def stay() -> None:
    for _ in range(6000):
        time.sleep(0.01)


@app.task("stay_async", soft_timeout=0.2, max_attempts=1)
async def stay_async() -> None:
    await asyncio.sleep(60)


@app.task("sleep")
def sleep() -> None:
    note("sleeping")
    for _ in range(6000):
        time.sleep(0.01)


@app.task("sleep_async")
async def sleep_async() -> None:
    note("sleeping")
    await asyncio.sleep(60)
