"""arq."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings

from . import PORT, jobs, option

#: Sends at a time: there is no call for many.
TOGETHER = 50

settings = RedisSettings(host="127.0.0.1", port=PORT)


async def noop(context):
    jobs.noop()


async def stamp(context, sent):
    jobs.stamp(sent)


async def double(context, number):
    return jobs.double(number)


async def nap(context, number):
    await jobs.async_nap(number)


class Worker:
    functions = (noop, stamp, double, nap)
    redis_settings = settings
    log_results = False


for name, value in option("worker", {}).items():
    setattr(Worker, name, value)


@asynccontextmanager
async def connected():
    global pool
    pool = await create_pool(settings)
    yield
    await pool.aclose()


async def send(job, *args):
    return await pool.enqueue_job(job, *args)


async def bulk(job, calls):
    for start in range(0, len(calls), TOGETHER):
        await asyncio.gather(*(send(job, *args) for args in calls[start : start + TOGETHER]))


if option("worker", {}).get("keep_result") != 0:

    async def call(job, *args):
        return await (await send(job, *args)).result(timeout=10, poll_delay=option("poll", 0.5))
