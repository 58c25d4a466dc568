"""SAQ."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from saq import Queue

from . import URL, jobs, option

queue = Queue.from_url(URL, name="bench")


async def noop(context):
    jobs.noop()


async def stamp(context, number):
    jobs.stamp(number)


async def double(context, number):
    return jobs.double(number)


async def nap(context, number):
    await jobs.async_nap(number)


settings = {"queue": queue, "functions": [noop, stamp, double, nap], "concurrency": option("concurrency", 10)}


@asynccontextmanager
async def connected():
    await queue.connect()
    yield
    await queue.disconnect()


def arguments(args):
    return option("job", {}) | ({"number": args[0]} if args else {})


async def send(job, *args):
    return await queue.enqueue(job, **arguments(args))


async def bulk(job, calls):
    await asyncio.gather(*(send(job, *args) for args in calls))


if option("job", {}).get("ttl") != -1:

    async def call(job, *args):
        return await queue.apply(job, poll_interval=option("poll", 0.5), **arguments(args))
