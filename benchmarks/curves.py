"""What a job costs as things grow: jobs that wait, workers that are idle, queues of a worker, jobs scheduled for later.

Each point has one worker process, which runs so many jobs: with as many others still waiting behind them, and so on.
All should be flat, but for the queues: a worker looks at each of its queues in every claim.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from bench import Bench, Cost
from filling import fill
from herd import herd
from runs import Figures, Run, options
from servers import Server
from stamps import Stamps
from tasks import STAMPS
from workers import Worker

WAITING = (10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
WORKERS = (1, 10, 100, 1_000)
QUEUES = (1, 3, 10, 30, 100)
SCHEDULED = (0, 1_000, 10_000, 100_000, 1_000_000)

#: Jobs that a worker runs before it is measured: it starts, and finds its pace.
WARM_UP = 2_000
#: Seconds for which the idle workers are watched: each wakes every two seconds.
WATCHED = 4.0
#: Jobs whose latency is measured in a round, and seconds of rest before each.
LATENCIES = 100
REST = (0.002, 0.012)
#: Jobs that are scheduled in a round, and seconds until they would be due.
LATER = 5_000
DAY = 86400.0

Ways = dict[str, Callable[[], Figures]]


def turn(bench: Bench, waiting: int, jobs: int) -> Figures:
    """Enqueue `jobs` where `waiting` are, more or less, and drain as many, with exactly `waiting` more behind them."""
    bench.fill(waiting)
    enqueued = bench.enqueue(jobs)
    with Worker(bench.server.url) as worker:
        return drain(bench, worker, waiting, jobs).figures() | enqueued.figures("enqueue_")


def drain(bench: Bench, worker: Worker, waiting: int, jobs: int) -> Cost:
    bench.fill(waiting + WARM_UP + jobs)
    bench.drain([worker], WARM_UP)
    bench.fill(waiting + jobs)
    return bench.drain([worker], jobs)


@contextmanager
def jobs_waiting(args: argparse.Namespace) -> Iterator[Ways]:
    """A server for each number: records of other queues would be in its memory, too."""
    with ExitStack() as stack:
        ways: Ways = {}
        for waiting in upto(args.largest, WAITING):
            bench = paused(stack, args.server)
            fill(bench.server, bench.queue.base, waiting)
            ways[f"jobs waiting: {waiting}"] = partial(turn, bench, waiting, args.jobs)
        yield ways


@contextmanager
def idle_workers(args: argparse.Namespace) -> Iterator[Ways]:
    def way(bench: Bench) -> Figures:
        server = bench.server.cpu()
        time.sleep(WATCHED)
        idle = (bench.server.cpu() - server) / WATCHED
        return turn(bench, 0, args.jobs) | {"idle_server_ms_per_s": idle * 1e3}

    with ExitStack() as stack:
        ways: Ways = {}
        for workers in upto(args.largest, WORKERS):
            bench = paused(stack, args.server)
            stack.enter_context(herd(bench.server, workers))
            ways[f"idle workers: {workers}"] = partial(way, bench)
        yield ways


@contextmanager
def queues_of_a_worker(args: argparse.Namespace) -> Iterator[Ways]:
    """Only the last one has jobs."""

    def way(bench: Bench, stamps: Stamps, queues: int) -> Figures:
        names = ",".join([*(f"empty-{number}" for number in range(1, queues)), bench.queue.name])
        stamp = bench.app.tasks["tasks.stamp"]
        with Worker(bench.server.url, queues=names, environment={STAMPS: str(stamps.file)}) as worker:
            drained = drain(bench, worker, 0, args.jobs)
            bench.queue.resume()
            starts = []
            for _ in range(LATENCIES):
                time.sleep(random.uniform(*REST))
                starts.append(stamps.latency(stamp.enqueue))
            bench.queue.pause()
        return drained.figures() | {"start_p50_us": statistics.median(starts) * 1e6}

    with ExitStack() as stack:
        bench = paused(stack, args.server)
        stamps = stack.enter_context(Stamps())
        numbers = upto(args.largest, QUEUES)
        yield {f"queues of a worker: {queues}": partial(way, bench, stamps, queues) for queues in numbers}


@contextmanager
def jobs_scheduled(args: argparse.Namespace) -> Iterator[Ways]:
    def way(bench: Bench) -> Figures:
        later = min(LATER, args.jobs)
        return turn(bench, 0, args.jobs) | bench.enqueue(later, delay=DAY).figures("schedule_")

    with ExitStack() as stack:
        ways: Ways = {}
        for scheduled in upto(args.largest, SCHEDULED):
            bench = paused(stack, args.server)
            fill(bench.server, bench.queue.base, scheduled, delay=DAY)
            ways[f"jobs scheduled: {scheduled}"] = partial(way, bench)
        yield ways


def upto(largest: int, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Those up to the largest one; the first in any case."""
    return tuple(number for number in numbers if number <= max(largest, numbers[0]))


def paused(stack: ExitStack, kind: str) -> Bench:
    """The queue of a server of its own."""
    bench = Bench(stack.enter_context(Server(kind)))
    stack.callback(bench.close)
    bench.queue.pause()
    return bench


def main() -> int:
    parser = options(__doc__, jobs=20_000, rounds=5)
    parser.add_argument("--largest", type=int, default=10_000_000, metavar="N", help="leave out points beyond it")
    args = parser.parse_args()
    whole: Run | None = None
    for curve in (jobs_waiting, idle_workers, queues_of_a_worker, jobs_scheduled):
        with Server(args.server) as server:
            run = Run(args, server.version)
        with curve(args) as ways:
            run.take_turns(ways)
        run.show("jobs_per_s", next(iter(ways)))
        if whole is None:
            whole = run
        else:
            whole.rounds |= run.rounds
            whole.load += run.load
    if args.save and whole:
        whole.save("curves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
