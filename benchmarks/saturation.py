"""Several workers on one server, by TCP and by a Unix socket: how many jobs a second, and where the server's end is.

`server_share` is the part of a core that the server takes: near 1 it is the bound, and more workers change nothing.
What it takes for each step of a job is measured apart, with a single client: enqueue, claim and settle.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial

from bench import Bench, Cost
from runs import Figures, Run, options
from servers import Server
from workers import Worker

from redisq.claimed import Settlement, Source, succeeded
from redisq.claimer import Claimer, giving_back, registration, worker_name

#: Workers, and children of each.
LAYOUTS = ((1, 1), (1, 2), (1, 4), (2, 1), (3, 1), (4, 1))
WARM_UP = 2_000
BATCH = 100

STEPS = ("enqueue", "claim", "settle")


def with_share(cost: Cost) -> Figures:
    return cost.figures() | {"server_share": cost.server / cost.seconds}


class Saturation:
    """One server, reached by `url`."""

    def __init__(self, server: Server, url: str, jobs: int) -> None:
        self.url = url
        self.jobs = jobs
        self.bench = Bench(server, url=url)
        self._steps: dict[str, Figures] = {}

    def drain(self, workers: int, children: int) -> Figures:
        self.bench.queue.pause()
        with ExitStack() as stack:
            running = [stack.enter_context(Worker(self.url, processes=children)) for _ in range(workers)]
            self.bench.wait_for_workers(running, children)
            for jobs in (WARM_UP, self.jobs):
                self.bench.enqueue(jobs)
                cost = self.bench.drain(running, jobs)
        return with_share(cost)

    def step(self, name: str) -> Figures:
        """Of all steps, the first measures them."""
        if name == STEPS[0]:
            self._steps = self._measure()
        return self._steps[name]

    def _measure(self) -> dict[str, Figures]:
        """Claim a hundred jobs and settle them, by turns, as a worker that does so in two writes."""
        enqueued = self.bench.enqueue(self.jobs)
        settings, sources = self.bench.app.settings, [Source("bench", self.bench.queue.base)]
        name = worker_name()
        settings.server.ask(registration(settings, sources, name))
        claimer = Claimer(settings, sources, name)
        self.bench.queue.resume()
        held: list[Settlement] = []

        def claim() -> int:
            _, jobs = claimer.exchange([], BATCH)
            held[:] = [succeeded(job, b"null", job.run_options()) for job in jobs]
            return len(jobs)

        def settle() -> int:
            claimer.attempt(held, None)
            return len(held)

        spent = {step.__name__: [0.0, 0.0, 0.0] for step in (claim, settle)}
        done = 0
        while done < self.jobs:
            for step in (claim, settle):
                began = time.perf_counter(), time.process_time(), self.bench.server.ticks()
                count = step()
                ended = time.perf_counter(), time.process_time(), self.bench.server.ticks()
                spent[step.__name__] = [sum(n) for n in zip(spent[step.__name__], _since(began, ended), strict=True)]
            done += count
        claimer.close()
        settings.server.ask(giving_back(settings, sources, name))
        self.bench.server.flush()
        return {"enqueue": with_share(enqueued)} | {
            step: with_share(Cost(done, *measured)) for step, measured in spent.items()
        }

    def close(self) -> None:
        self.bench.close()


def _since(began: tuple[float, float, int], ended: tuple[float, float, int]) -> tuple[float, float, float]:
    """Seconds by the clock, of ours, and of the server's processor time."""
    return ended[0] - began[0], ended[1] - began[1], (ended[2] - began[2]) / 1e9


def main() -> int:
    args = options(__doc__, jobs=40_000, rounds=5).parse_args()
    with Server(args.server) as server:
        ways = {}
        for transport, url in (("TCP", server.url), ("Unix socket", server.unix_url)):
            one = Saturation(server, url, args.jobs)
            for workers, children in LAYOUTS:
                ways[f"{workers} x {children}, {transport}"] = partial(one.drain, workers, children)
            for step in STEPS:
                ways[f"{step}, {transport}"] = partial(one.step, step)
        run = Run(args, server.version)
        run.take_turns(ways)
    run.show("jobs_per_s", next(iter(ways)))
    if args.save:
        run.save("saturation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
