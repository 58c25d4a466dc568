"""streaQ."""

from __future__ import annotations

from streaq import Worker

from . import QUEUES, URL, jobs, option

worker = Worker(redis_url=URL, priorities=QUEUES[::-1], **option("worker", {}))
options = {"silent": True} | option("task", {})


@worker.task(**options)
async def noop() -> None:
    jobs.noop()


@worker.task(**options)
async def stamp(sent: int) -> None:
    jobs.stamp(sent)


@worker.task(**options)
async def double(number: int) -> int:
    return jobs.double(number)


@worker.task(**options)
async def nap(number: int) -> None:
    await jobs.async_nap(number)


tasks = {"noop": noop, "stamp": stamp, "double": double, "nap": nap}


def connected():
    return worker


async def send(job, *args):
    return await tasks[job].enqueue(*args)


async def bulk(job, calls):
    await worker.enqueue_many([tasks[job].enqueue(*args) for args in calls])


if option("task", {}).get("ttl") != 0:

    async def call(job, *args):
        return (await (await send(job, *args)).result(timeout=10)).result
