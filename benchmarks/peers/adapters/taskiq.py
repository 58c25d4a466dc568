"""Taskiq with taskiq-redis."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from . import URL, jobs, option

#: Sends at a time: there is no call for many.
TOGETHER = 50

if option("stream") is not None:
    broker = RedisStreamBroker(URL, **option("stream")).with_middlewares(SimpleRetryMiddleware(default_retry_count=3))
else:
    broker = ListQueueBroker(URL)
if option("results"):
    broker = broker.with_result_backend(RedisAsyncResultBackend(URL, result_ex_time=600))


@broker.task
async def noop() -> None:
    jobs.noop()


@broker.task
async def stamp(sent: int) -> None:
    jobs.stamp(sent)


@broker.task
async def double(number: int) -> int:
    return jobs.double(number)


@broker.task
async def nap(number: int) -> None:
    await jobs.async_nap(number)


tasks = {"noop": noop, "stamp": stamp, "double": double, "nap": nap}


@asynccontextmanager
async def connected():
    await broker.startup()
    yield
    await broker.shutdown()


async def send(job, *args):
    return await tasks[job].kiq(*args)


async def bulk(job, calls):
    for start in range(0, len(calls), TOGETHER):
        await asyncio.gather(*(send(job, *args) for args in calls[start : start + TOGETHER]))


if option("results"):

    async def call(job, *args):
        result = await (await send(job, *args)).wait_result(check_interval=option("poll", 0.2), timeout=10)
        return result.return_value
