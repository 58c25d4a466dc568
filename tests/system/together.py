"""An app whose jobs run beside one another; each notes in the file $HISTORY when it starts and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from typing import Any

from redisq import RedisQ, SoftTimeout, current_job
from tests.system.tasks import note

app = RedisQ()


@contextlib.contextmanager
def noted(name: str) -> Any:
    """`start` with its pid and `end`, also of what is raised."""
    note("start", name, os.getpid(), f"{time.monotonic():.4f}")
    yield
    note("end", name, os.getpid(), f"{time.monotonic():.4f}")


@app.task("sleep", backoff=0.0)
def sleep(name: str, seconds: float) -> str:
    with noted(name):
        time.sleep(seconds)
    return name


@app.task("sleep_async", backoff=0.0)
async def sleep_async(name: str, seconds: float) -> str:
    with noted(name):
        await asyncio.sleep(seconds)
    return name


@app.task("spin", backoff=0.0)
def spin(name: str) -> None:
    with noted(name):
        while True:
            pass


@app.task("patient", soft_timeout=0.3, max_attempts=1)
def patient(name: str, catch: bool) -> str:
    """Works in small steps; and with what it has, if it is told in time."""
    with noted(name):
        try:
            while True:
                time.sleep(0.01)
        except SoftTimeout as error:
            if not catch:
                raise
            return f"some of it{error}"


@app.task("patient_async", soft_timeout=0.3, max_attempts=1)
async def patient_async(name: str, catch: bool) -> str:
    with noted(name):
        try:
            await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))
        except SoftTimeout:
            if not catch:
                raise
            await asyncio.sleep(0)
            return "some of it"
    raise AssertionError


@app.task("tidy", backoff=0.0)
async def tidy(name: str) -> str:
    """Takes its time to end when it is asked to."""
    with noted(name):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)
            note("tidied", name)
            raise
    return name


@app.task("bomb", backoff=0.0)
def bomb(delay: float) -> None:
    """Kills its process when others have had the time to start."""
    note("bomb", len(threading.enumerate()))
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task("tick")
async def tick(name: str) -> None:
    note("tick", name)


def seen() -> list[Any]:
    job = current_job()
    return [job.args[0], job.id]


@app.task("who_in_thread")
def who_in_thread(n: int) -> list[Any]:
    before = seen()
    time.sleep(0.02)
    return [before, seen()]


@app.task("who_in_loop")
async def who_in_loop(n: int) -> list[Any]:
    before = seen()
    await asyncio.sleep(0.02)
    inner = await asyncio.create_task(in_task())
    return [before, inner, await asyncio.to_thread(seen)]


async def in_task() -> list[Any]:
    await asyncio.sleep(0)
    return seen()


RAISED = {error.__name__: error for error in (SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)}


@app.task("raise_in_thread", max_attempts=1)
def raise_in_thread(name: str) -> None:
    raise RAISED[name]("mine")


@app.task("raise_in_loop", max_attempts=1)
async def raise_in_loop(name: str) -> None:
    raise RAISED[name]("mine")


@app.task("raise_in_task", max_attempts=1)
async def raise_in_task() -> str:
    """A task of its own that would end an event loop."""

    async def quit_() -> None:
        raise SystemExit("mine")

    task = asyncio.create_task(quit_())
    await asyncio.sleep(0.05)
    return repr(task.exception())


@app.task("stop_the_loop", max_attempts=1)
async def stop_the_loop() -> str:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    return "still here"
