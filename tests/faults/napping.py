"""The app of the fault tests: a task that takes a moment, and notes its starts and ends outside of any server."""

from __future__ import annotations

import os
import time
from typing import Any

import redisq

app = redisq.RedisQ(lease=2.0)


def note(event: str) -> None:
    """Append a line: one write, so that lines of several processes never mix."""
    line = f"{event} {redisq.current_job().id} {redisq.current_job().token}\n"
    fd = os.open(os.environ["NAPPING_HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


@app.task(name="nap")
def nap(input_param: Any) -> Any:
    note("start")
    time.sleep(0.02)
    note("end")
    return input_param
