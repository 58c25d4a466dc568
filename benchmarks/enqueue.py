"""Enqueueing, acknowledged: one by one, in bulk and by coroutines, beside a bare LPUSH of redis-py of as many bytes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import redis
import redis.asyncio
from runs import Figures, Run, options
from servers import Server
from tasks import app

from redisq import RedisQ
from redisq.producer import BATCH

#: About as long as what a job puts on the wire: its id, task and arguments.
ITEM = b"x" * 100
#: Coroutines that enqueue at the same time, each one by one.
COROUTINES = (1, 10, 100)
#: So many times more jobs when they are sent in bulk.
BULK = 10


class Enqueue:
    """The ways to enqueue, each called once a round."""

    def __init__(self, server: Server, jobs: int) -> None:
        self.server = server
        self.jobs = jobs
        self.app: RedisQ = app.replace(url=server.url)
        self.task = self.app.tasks["tasks.noop"]
        self.client = redis.Redis(port=server.port)
        self.loop = asyncio.new_event_loop()
        self.async_client = redis.asyncio.Redis(port=server.port)

    def single(self) -> Figures:
        return self._measure(self.jobs, lambda jobs: [self.task.enqueue() for _ in range(jobs)])

    def bare_single(self) -> Figures:
        return self._measure(self.jobs, lambda jobs: [self.client.lpush("bare", ITEM) for _ in range(jobs)])

    def bulk(self) -> Figures:
        return self._measure(self.jobs * BULK, lambda jobs: self.task.enqueue_many([((), {})] * jobs))

    def bare_bulk(self) -> Figures:
        def push(jobs: int) -> None:
            for _ in range(jobs // BATCH):
                pipe = self.client.pipeline(transaction=False)
                for _ in range(BATCH):
                    pipe.lpush("bare", ITEM)
                pipe.execute()

        return self._measure(self.jobs * BULK, push)

    def by_coroutines(self, count: int) -> Figures:
        return self._by_coroutines(count, self.task.enqueue_async)

    def bare_by_coroutines(self, count: int) -> Figures:
        return self._by_coroutines(count, lambda: self.async_client.lpush("bare", ITEM))

    def close(self) -> None:
        self.loop.run_until_complete(self.async_client.aclose())
        self.app.close()
        self.loop.close()

    def _by_coroutines(self, count: int, call: Callable[[], Awaitable[object]]) -> Figures:
        async def some(jobs: int) -> None:
            for _ in range(jobs):
                await call()

        async def all_of_them(jobs: int) -> None:
            await asyncio.gather(*(some(jobs // count) for _ in range(count)))

        return self._measure(self.jobs, lambda jobs: self.loop.run_until_complete(all_of_them(jobs - jobs % count)))

    def _measure(self, jobs: int, send: Callable[[int], object]) -> Figures:
        jobs -= jobs % BATCH
        self.server.flush()
        send(BATCH)  # connected, scripts loaded
        server, client, began = self.server.cpu(), time.process_time(), time.perf_counter()
        send(jobs)
        seconds, client = time.perf_counter() - began, time.process_time() - client
        server = self.server.cpu() - server
        return {"jobs/s": jobs / seconds, "client us/job": client / jobs * 1e6, "server us/job": server / jobs * 1e6}


def main() -> int:
    args = options(__doc__, jobs=5_000, rounds=7).parse_args()
    if args.jobs < BATCH:
        raise SystemExit(f"--jobs: at least {BATCH}")
    with Server(args.server) as server:
        enqueue = Enqueue(server, args.jobs)
        ways = {
            "redisq, one by one": enqueue.single,
            "LPUSH, one by one": enqueue.bare_single,
            "redisq, in bulk": enqueue.bulk,
            f"LPUSH, pipelines of {BATCH}": enqueue.bare_bulk,
        }
        pairs = {}
        for count in COROUTINES:
            mine, theirs = pairs[count] = f"redisq, coroutines: {count}", f"LPUSH, coroutines: {count}"
            ways[mine] = partial(enqueue.by_coroutines, count)
            ways[theirs] = partial(enqueue.bare_by_coroutines, count)
        run = Run(args, server.version)
        run.take_turns(ways)
        enqueue.close()
    run.show("jobs/s", "redisq, one by one")
    for mine, theirs in (tuple(ways)[2:4], *pairs.values()):
        print(f"ratio of {mine} to {theirs}: {run.ratio(mine, theirs, 'jobs/s'):.2f}")
    if args.save:
        run.save("enqueue")
    return 0


if __name__ == "__main__":
    sys.exit(main())
