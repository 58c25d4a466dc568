"""What the supervisor decides by itself; processes and signals are in tests/system/test_worker.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.servers import Server

WORKER = [sys.executable, "-c", "import sys; from redisq.cli import main; sys.exit(main())"]


@pytest.mark.parametrize(("policy", "warned"), [("allkeys-lru", True), ("noeviction", False)])
def test_a_server_that_evicts_is_warned_of(new_server: Callable[..., Server], policy: str, warned: bool) -> None:
    server = new_server(maxmemory_policy=policy)
    command = [*WORKER, "--app", "tests.faults.napping:app", "--queues", "q", "--burst", "--url", server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert (f"server.evicts policy={policy}" in done.stderr) is warned
