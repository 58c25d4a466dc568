"""From enqueue to start on an idle worker with two queues, and from enqueue to the result, one job at a time.

Beside it a bare pair: LPUSH here, BRPOP in another process, which then says when it came (or sends an answer back).
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from runs import Figures, Run, options
from servers import Server
from stamps import Stamps
from tasks import STAMP, STAMPS, app
from workers import Worker

from redisq import RedisQ

#: Seconds of rest before each job, at least and at most: the worker is idle, and has been for a while.
REST = (0.002, 0.012)


class Pairs:
    """Jobs and bare items in turn, and the latency of each."""

    def __init__(self, server: Server, stamps: Stamps, jobs: int) -> None:
        self.jobs = jobs
        self.app: RedisQ = app.replace(url=server.url)
        self.client = redis.Redis(port=server.port)
        self._stamps = stamps
        self._started: dict[str, list[float]] = {}
        self._answered: dict[str, list[float]] = {}

    def take_turns(self) -> None:
        """One round: each kind of latency, job and bare item by turns, so that what disturbs one disturbs the other."""
        stamp, double = self.app.tasks["tasks.stamp"], self.app.tasks["tasks.double"]
        self._started = {"redisq": [], "bare": []}
        self._answered = {"redisq": [], "bare": []}
        for number in range(self.jobs):
            for name, send in (
                ("redisq", stamp.enqueue),
                ("bare", lambda sent: self.client.lpush("bare", sent)),
            ):
                time.sleep(random.uniform(*REST))
                self._started[name].append(self._stamps.latency(send))
            for name, ask in (
                ("redisq", lambda number=number: double.enqueue(number).wait(10.0)),
                ("bare", lambda: (self.client.lpush("bare", 0), self.client.brpop(["answers"], 10))),
            ):
                began = time.perf_counter()
                ask()
                self._answered[name].append(time.perf_counter() - began)

    def figures(self, name: str) -> Figures:
        started, answered = self._started[name], self._answered[name]
        return {
            "start p50 us": statistics.median(started) * 1e6,
            "start p99 us": statistics.quantiles(started, n=100)[98] * 1e6,
            "result p50 us": statistics.median(answered) * 1e6,
            "results/s": len(answered) / sum(answered),
        }


@contextmanager
def bare_worker(port: int, fifo: Path) -> Iterator[None]:
    """A process that pops items, and stamps those that name a time, answers those that do not."""
    pid = os.fork()
    if not pid:
        try:
            client = redis.Redis(port=port)
            stamps = os.open(fifo, os.O_WRONLY)
            popped: Any
            while (popped := client.brpop(["bare"])) and (item := int(popped[1])) >= 0:
                if item:
                    os.write(stamps, STAMP.pack(item, time.monotonic_ns()))
                else:
                    client.lpush("answers", item)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        with redis.Redis(port=port) as client:
            client.lpush("bare", -1)
        os.waitpid(pid, 0)


def main() -> int:
    args = options(__doc__, jobs=200, rounds=5).parse_args()
    with Stamps() as stamps, Server(args.server) as server:
        environment = {STAMPS: str(stamps.file)}
        with bare_worker(server.port, stamps.file), Worker(server.url, queues="urgent,bench", environment=environment):
            pairs = Pairs(server, stamps, args.jobs)
            pairs.app.tasks["tasks.double"].enqueue(1).wait(30.0)  # the worker is there
            run = Run(args, server.version)

            def redisq() -> Figures:
                pairs.take_turns()
                return pairs.figures("redisq")

            run.take_turns({"redisq": redisq, "LPUSH and BRPOP": lambda: pairs.figures("bare")})
    run.show("start p50 us", "redisq")
    for figure in ("start p99 us", "result p50 us"):
        print(f"ratio of {figure}: {run.ratio('redisq', 'LPUSH and BRPOP', figure):.2f}")
    if args.save:
        run.save("latency")
    return 0


if __name__ == "__main__":
    sys.exit(main())
