"""Docket, whose distribution is pydocket. As a script this is a worker with options that its command does not have."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from docket import Docket, Worker

from . import URL, jobs, option


async def noop() -> None:
    jobs.noop()


async def stamp(sent: int) -> None:
    jobs.stamp(sent)


async def double(number: int) -> int:
    return jobs.double(number)


async def nap(number: int) -> None:
    await jobs.async_nap(number)


tasks = [noop, stamp, double, nap]
by_name = {task.__name__: task for task in tasks}


@asynccontextmanager
async def connected():
    global docket
    async with Docket(name="bench", url=URL, execution_ttl=timedelta(seconds=option("execution_ttl", 900))) as docket:
        for task in tasks:
            docket.register(task)
        yield


async def send(job, *args):
    return await docket.add(by_name[job])(*args)


async def bulk(job, calls):
    await docket.add_many([docket.call(by_name[job])(*args) for args in calls])


if option("execution_ttl") != 0:

    async def call(job, *args):
        return await (await send(job, *args)).get_result(timeout=timedelta(seconds=10))


async def main():
    interval = timedelta(milliseconds=option("check_ms", 250))
    async with (
        connected(),
        Worker(docket, concurrency=option("concurrency"), minimum_check_interval=interval) as worker,
    ):
        await worker.run_forever()


if __name__ == "__main__":
    asyncio.run(main())
