"""An app whose jobs log."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

from redisq import JobLogHandler, RedisQ, current_job

app = RedisQ()
logging.getLogger().addHandler(JobLogHandler())
log = logging.getLogger("chatty")
log.setLevel(logging.INFO)


def _wait_for(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.01)


@app.task("say", backoff=0.0)
def say(name: str, gate: str = "", end: str = "") -> None:
    job = current_job()
    job.log(f"{name} begins")
    if gate:
        _wait_for(gate)
    log.info("%s goes on", name)
    if end == "fail" and job.attempt == 1:
        raise ValueError("no")
    if end == "die" and not Path(f"{gate}.died").exists():
        _wait_for(f"{gate}.die")
        Path(f"{gate}.died").touch()
        os._exit(3)
    job.log(f"{name} ends")


@app.task("say_async")
async def say_async(name: str) -> None:
    current_job().log(f"{name} begins")
    await asyncio.sleep(0.01)
    log.info("%s goes on", name)
    await asyncio.to_thread(current_job().log, f"{name} ends")


@app.task("babble")
def babble(count: int, size: int) -> None:
    for number in range(count):
        current_job().log(f"{number} {'é' * size}")
