"""The side that sends, in the peer's own environment: `producer.py PEER STEPS`.

STEPS is a JSON list of lists, of a step and its arguments. It prints a JSON list with what each step measured. A step
that the library has no call for measures nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from adapters import jobs

BATCH = 1000
#: Seconds for one job to start, or for the worker to be there.
TIMEOUT = 30.0
PAUSE = 0.001

MARKS = Path(os.environ["PEERS_MARKS"])


class Steps:
    """Each step is a method that gives its figures."""

    def __init__(self, adapter: Any) -> None:
        self.send = _coroutine(adapter.send)
        self.bulk = _coroutine(getattr(adapter, "bulk", None))
        self.call = _coroutine(getattr(adapter, "call", None))

    async def fill(self, job: str, first: int, count: int) -> dict[str, float]:
        """Jobs with consecutive numbers, or without one if they are no-ops; as many at a time as can be."""
        calls: list[tuple[int, ...]] = [() if job == "noop" else (first + number,) for number in range(count)]
        if self.bulk:
            for start in range(0, count, BATCH):
                await self.bulk(job, calls[start : start + BATCH])
        else:
            for args in calls:
                await self.send(job, *args)
        return {}

    async def enqueue(self, seconds: float) -> dict[str, float]:
        await self.send("noop")  # connected, scripts loaded
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            await self.send("noop")
            sent += 1
        return {"per_s": sent / (now - began)}

    async def many(self, seconds: float) -> dict[str, float]:
        if not self.bulk:
            return {}
        calls: list[tuple[int, ...]] = [()] * BATCH
        await self.bulk("noop", calls)
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            await self.bulk("noop", calls)
            sent += BATCH
        return {"per_s": sent / (now - began)}

    async def warm(self, count: int) -> dict[str, float]:
        """The worker is there, and has run some jobs."""
        for _ in range(count):
            await self.send("noop")
        await _started(count)
        return {}

    async def latency(self, count: int, seconds: float, rest: float) -> dict[str, float]:
        """One job at a time to a worker that has been idle for a while, for so many jobs or so long."""
        before, end = jobs.count(MARKS), time.monotonic() + seconds
        for number in range(1, count + 1):
            await asyncio.sleep(0.002 + random.random() * rest)
            await self.send("stamp", time.monotonic_ns())
            await _started(before + number)
            if time.monotonic() > end and number > 1:
                break
        delays = [(started - sent) / 1000 for sent, started in jobs.read(MARKS)[before:]]
        p99 = statistics.quantiles(delays, n=100, method="inclusive")[98]
        return {"p50_us": statistics.median(delays), "p99_us": p99}

    async def results(self, seconds: float) -> dict[str, float]:
        """One after the other: enqueue, and wait for the result."""
        if not self.call:
            return {}
        times, end = [], time.perf_counter() + seconds
        await self.call("double", 1)
        while not times or time.perf_counter() < end:
            began = time.perf_counter()
            answer = await self.call("double", len(times))
            assert answer == 2 * len(times), answer
            times.append(time.perf_counter() - began)
        return {"per_s": len(times) / sum(times), "p50_us": statistics.median(times) * 1e6}


async def main(peer: str, steps: list[list[Any]]) -> list[dict[str, float]]:
    adapter = importlib.import_module(f"adapters.{peer}")
    async with getattr(adapter, "connected", nullcontext)():
        methods = Steps(adapter)
        return [await getattr(methods, step)(*arguments) for step, *arguments in steps]


async def _started(count: int) -> None:
    end = time.monotonic() + TIMEOUT
    while jobs.count(MARKS) < count:
        if time.monotonic() > end:
            raise SystemExit(f"{jobs.count(MARKS)} of {count} jobs started within {TIMEOUT} s")
        await asyncio.sleep(PAUSE)


def _coroutine(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if function is None or inspect.iscoroutinefunction(function):
        return function

    async def call(*args: Any) -> Any:
        return function(*args)

    return call


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))))
