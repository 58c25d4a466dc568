"""An app whose jobs do what jobs should not; each appends what it does to the file $HISTORY."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from typing import Any

from redisq import RedisQ, SoftTimeout, current_job

app = RedisQ()
not_an_app = {"redis": "q"}


def note(*words: object) -> None:
    """One line, whole, whoever else writes."""
    history = os.open(os.environ["HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(history, (" ".join(map(str, words)) + "\n").encode())
    os.close(history)


@app.task("echo")
def echo(value: Any = None) -> Any:
    note("echo", value)
    return value


@app.task("nap")
def nap(name: str, seconds: float) -> str:
    note("start", name, os.getpid(), os.getppid())
    time.sleep(seconds)
    note("end", name)
    return name


@app.task("hold_gil")
def hold_gil(name: str, seconds: int) -> None:
    note("start", name, os.getpid())
    ctypes.PyDLL(None).sleep(seconds)
    note("end", name)


@app.task("die", backoff=0.0)
def die(how: str) -> None:
    note("die", how)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(3)
    else:
        ctypes.string_at(0)


@app.task("stubborn", timeout=0.5, max_attempts=2, backoff=0.0)
def stubborn() -> None:
    note("stubborn")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            note("shrugged")


@app.task("tidy")
def tidy(seconds: float) -> str:
    try:
        time.sleep(seconds)
    except SoftTimeout:
        return "tidied"
    return "slept"


@app.task("tidy_later")
async def tidy_later(seconds: float) -> str:
    try:
        await asyncio.sleep(seconds)
    except SoftTimeout:
        return "tidied"
    return "slept"


@app.task("picky", timeout=0.5, retry_on=(OSError,), backoff=lambda attempt, error: 0.0)
def picky(slow_at_first: bool) -> None:
    note("picky", current_job().attempt)
    if slow_at_first and current_job().attempt == 1:
        time.sleep(60)
    raise ValueError("of no listed type")


@app.task("fail", backoff=0.05)
def fail(text: str) -> None:
    note("fail", current_job().attempt)
    raise ValueError(text)


@app.task("odd")
def odd() -> object:
    return object()


@app.task("wait_a_bit")
async def wait_a_bit(n: int) -> list[Any]:
    await asyncio.sleep(0.01)
    return [n, current_job().args[0], current_job().id]


@app.task("who")
def who() -> dict[str, Any]:
    job = current_job()
    job.set_progress(1, 2)
    note("who", job.token)
    return {"id": job.id, "attempt": job.attempt, "token": job.token, "queue": job.queue}


@app.task("parent")
def parent(fails: bool) -> str:
    job = current_job()
    here = job.enqueue("echo", "same queue")
    there = job.enqueue(echo.options(queue="low"), "other queue")
    if fails:
        raise ValueError("no")
    return f"{here.id} {there.id}"
