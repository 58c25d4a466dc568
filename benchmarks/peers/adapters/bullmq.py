"""BullMQ for Python. It has no command for a worker: as a script this is one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from bullmq import Queue, Worker

from . import URL, jobs, option


@asynccontextmanager
async def connected():
    global queue
    queue = Queue("bench", {"connection": URL})
    yield
    await queue.close()


async def send(job, *args):
    return await queue.add(job, list(args), option("job", {}))


async def bulk(job, calls):
    await queue.addBulk([{"name": job, "data": list(args), "opts": option("job", {})} for args in calls])


async def process(job, token):
    if job.name == "nap":
        return await jobs.async_nap(*job.data)
    return getattr(jobs, job.name)(*job.data)


async def main():
    Worker("bench", process, {"connection": URL, "concurrency": option("concurrency", 1)})
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
