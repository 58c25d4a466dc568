"""What `ps` shows, with setproctitle and without."""

from __future__ import annotations

import subprocess
import sys

from tests.system.shop import Shop
from tests.waiting import wait_until


def title(pid: int) -> str:
    done = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_processes_are_named_by_their_role_and_queues(shop: Shop) -> None:
    worker = shop.start()
    assert title(worker.process.pid) == "redisq-worker: supervisor default"
    wait_until(lambda: title(worker.children()[0]) == "redisq-worker: child default")


def test_nothing_is_missed_without_the_library() -> None:
    code = (
        "import sys; sys.modules['setproctitle'] = None; from redisq.worker.titles import entitle; entitle('x', ['q'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
