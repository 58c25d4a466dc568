"""Waiting for something to become true, instead of sleeping for a guess; what runs, and what does not."""

from __future__ import annotations

import inspect
import os
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.01

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 10.0, message: str = "") -> T:
    """Call `condition` until it answers something true, and give that back.

    After `timeout` seconds it is an AssertionError with `message` (or the condition's source) and the last answer.
    The condition is called at least once, and once more when the time is up: a slow machine gets a last chance.
    """
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= end
        answer = condition()
        if answer:
            return answer
        if late:
            raise AssertionError(f"not within {timeout} s: {message or _source(condition)} (last: {answer!r})")
        time.sleep(PAUSE)


def alive(pid: int) -> bool:
    """Whether the process runs: one that has ended and is not reaped yet does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")


def running(text: str) -> list[int]:
    """The ids of the processes, other than this one, whose command line contains `text`, such as a directory."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [int(row[0]) for row in rows if text in row[-1] and row[1][0] != "Z" and int(row[0]) != os.getpid()]


def _source(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
