"""Many idle workers in one process: each registered, renewed and waiting as a child of `redisq-worker` is.

They are registered with two queues, wait for jobs of the first, where none come, and leave those of the second to
others. Their supervisors' part, renewing leases and listening for orders, is done for each of them apart.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from servers import Server
from tasks import app

from redisq import RedisQ, keys
from redisq.claimed import Source
from redisq.claimer import Claimer, registration, renewal, worker_name
from redisq.connection import LONGEST_BLOCK
from redisq.worker.orders import Orders

IDLE = "idle"
TIMEOUT = 300.0
#: Seconds between two looks for orders. A supervisor looks more often, which is its own time and not the server's.
SWEEP = 1.0
STACK = 256 * 1024


@contextmanager
def herd(server: Server, workers: int, busy: str = "bench") -> Iterator[None]:
    """So many workers, for queues `idle` and `busy`."""
    pid = os.fork()
    if not pid:
        try:
            _live(server.url, workers, busy, os.getppid())
        finally:
            os._exit(1)
    try:
        _wait(server, RedisQ().queue(IDLE).base + keys.NAMES["calls"], workers)
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _wait(server: Server, calls: str, workers: int) -> None:
    """Until each has claimed, and has its two connections, of its claims and of its orders."""
    deadline = time.monotonic() + TIMEOUT

    def count() -> int:
        claimed = sum(not call.startswith(b"0:") for call in server.control("HVALS", calls))
        return min(claimed, int(server.info()["connected_clients"]) // 2)

    while count() < workers:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {count()} of {workers} idle workers have begun")
        time.sleep(0.1)


def _live(url: str, workers: int, busy: str, parent: int) -> None:
    """Until the process that began it is gone."""
    threading.stack_size(STACK)
    shared: RedisQ = app.replace(url=url)
    settings = shared.settings
    sources = [Source(name, shared.queue(name).base) for name in (IDLE, busy)]
    names = [worker_name() for _ in range(workers)]
    orders = [Orders(settings, sources) for _ in names]
    settings.server.ask([command for name in names for command in registration(settings, sources, name)])
    for name in names:
        claimer = Claimer(settings, sources[:1], name)
        threading.Thread(target=_claim, args=(claimer,), daemon=True).start()
    every = settings.lease / 4
    turn, sweep_at = 0, 0.0
    began = time.monotonic()
    while os.getppid() == parent:
        now = time.monotonic()
        while turn < (now - began) / every * workers:  # one after the other, as if each had started at its own time
            settings.server.ask(renewal(sources, [names[turn % workers]]))
            turn += 1
        if now >= sweep_at:
            for name, line in zip(names, orders, strict=True):
                line.next([name])
            sweep_at = now + SWEEP
        time.sleep(0.01)


def _claim(claimer: Claimer) -> None:
    while True:
        claimer.exchange([], 1, LONGEST_BLOCK)
