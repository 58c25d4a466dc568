"""Waiting for something to become true, instead of sleeping for a guess."""

from __future__ import annotations

import inspect
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


def _source(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
