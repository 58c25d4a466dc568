"""Draining no-op jobs: one worker, beside what bare Redis clients do for the same moves.

The worker keeps a record and a result of each job, holds a lease, and loses nothing when it is killed. The others only
move an item to a second list, run a function, and remove the item.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import redis
from bench import Bench
from relay import network
from resp import Resp, pack
from runs import Figures, Run, options
from servers import Server
from tasks import noop
from workers import Worker

PIPELINE = 100
#: About as long as a job's id and arguments together.
ITEM = b"x" * 100


class Drain:
    """The ways to drain, each called once a round."""

    def __init__(self, server: Server, worker: Worker, jobs: int, port: int) -> None:
        self.server = server
        self.worker = worker
        self.jobs = jobs
        self.bench = Bench(server)
        self.client = redis.Redis(port=port)
        self.raw = Resp(port)

    def redisq(self) -> Figures:
        self.bench.queue.pause()
        self.bench.enqueue(self.jobs)
        return self._figures(*self.bench.drain([self.worker], self.jobs))

    def plain(self) -> Figures:
        """One item at a time, each acknowledged."""

        def drain(items: int) -> None:
            for _ in range(items):
                item: Any = self.client.blmove("plain", "held", 0, "RIGHT", "LEFT")
                noop()
                self.client.lrem("held", 1, item)

        return self._bare(max(1, int(self.jobs * 0.1)), drain)

    def piped(self) -> Figures:
        """redis-py, a hundred items in a pipeline."""

        def drain(items: int) -> None:
            for _ in range(items // PIPELINE):
                pipe = self.client.pipeline(transaction=False)
                for _ in range(PIPELINE):
                    pipe.lmove("plain", "held", "RIGHT", "LEFT")
                taken = pipe.execute()
                pipe = self.client.pipeline(transaction=False)
                for item in taken:
                    noop()
                    pipe.lrem("held", 1, item)
                pipe.execute()

        return self._bare(self.jobs, drain)

    def raw_piped(self) -> Figures:
        """A socket and packed bytes, a hundred items in a write."""
        take = pack("LMOVE", "plain", "held", "RIGHT", "LEFT") * PIPELINE

        def drain(items: int) -> None:
            for _ in range(items // PIPELINE):
                taken = self.raw.exchange(take, PIPELINE)
                for _ in taken:
                    noop()
                self.raw.exchange(b"".join(pack("LREM", "held", 1, item) for item in taken), PIPELINE)

        return self._bare(self.jobs, drain)

    def _bare(self, items: int, drain: Callable[[int], None]) -> Figures:
        self.server.control("DEL", "plain", "held")
        items -= items % PIPELINE
        for _ in range(items // PIPELINE):
            self.raw.exchange(pack("LPUSH", "plain", *[ITEM] * PIPELINE), 1)
        server, client, began = self.server.cpu(), time.process_time(), time.perf_counter()
        drain(items)
        seconds, client = time.perf_counter() - began, time.process_time() - client
        server = self.server.cpu() - server
        assert self.server.control("EXISTS", "plain", "held") == 0
        return self._figures(items, seconds, client, server)

    def _figures(self, jobs: int, seconds: float, client: float, server: float) -> Figures:
        return {"jobs/s": jobs / seconds, "client us/job": client / jobs * 1e6, "server us/job": server / jobs * 1e6}


def main() -> int:
    parser = options(__doc__, jobs=20_000, rounds=5)
    parser.add_argument("--processes", type=int, default=1, help="of the worker (default: 1)")
    parser.add_argument(
        "--round-trip", type=float, default=0.0, metavar="US", help="microseconds to the server, on top (default: 0)"
    )
    args = parser.parse_args()
    with (
        Server(args.server) as server,
        network(server.port, args.round_trip / 1e6) as port,
        Worker(f"redis://127.0.0.1:{port}/0", processes=args.processes) as worker,
    ):
        drain = Drain(server, worker, args.jobs, port)
        drain.redisq()  # the worker starts, and finds its pace
        run = Run(args, server.version)
        pings = 1000
        began = time.perf_counter()
        for _ in range(pings):
            drain.raw("PING")
        run.notes["round trip of a PING, us"] = round((time.perf_counter() - began) / pings * 1e6, 1)
        name = f"redisq, {args.processes} process{'es' * (args.processes > 1)}"
        run.take_turns(
            {
                name: drain.redisq,
                "redis-py, one by one": drain.plain,
                f"redis-py, pipelines of {PIPELINE}": drain.piped,
                f"raw socket, pipelines of {PIPELINE}": drain.raw_piped,
            }
        )
    run.show("jobs/s", name)
    if args.save:
        far = f"-{args.round_trip:g}us" if args.round_trip else ""
        run.save(f"drain-{args.processes}{far}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
