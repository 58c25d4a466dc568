"""What the supervisor decides by itself; processes and signals are in tests/system/test_worker.py."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

import redisq
from redisq.worker.board import Slot
from redisq.worker.process import Process
from redisq.worker.supervisor import LONGEST_PAUSE, MANY_SHORT_LIVES, Options, Supervisor
from tests.servers import Server

WORKER = [sys.executable, "-c", "import sys; from redisq.cli import main; sys.exit(main())"]


@pytest.mark.parametrize(("policy", "warned"), [("allkeys-lru", True), ("noeviction", False)])
def test_a_server_that_evicts_is_warned_of(new_server: Callable[..., Server], policy: str, warned: bool) -> None:
    server = new_server(maxmemory_policy=policy)
    command = [*WORKER, "--app", "tests.faults.napping:app", "--queues", "q", "--burst", "--url", server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert (f"server.evicts policy={policy}" in done.stderr) is warned


def ended_after(seconds: float) -> Process:
    child = Process("w", Slot(), 0)
    child.started = time.monotonic() - seconds
    return child


def test_children_that_end_as_soon_as_they_begin_are_started_ever_later() -> None:
    supervisor = Supervisor(redisq.RedisQ(), Options(["q"]))
    pauses = [supervisor._pause(ended_after(0.1)) for _ in range(MANY_SHORT_LIVES + 20)]
    assert pauses[:MANY_SHORT_LIVES] == [0.0] * MANY_SHORT_LIVES  # a few crashes are survived at once
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert supervisor._pause(ended_after(60.0)) == 0.0
    assert supervisor._pause(ended_after(0.1)) == 0.0
