"""redisq: this checkout."""

from __future__ import annotations

from redisq import RedisQ

from . import URL, jobs, option

app = RedisQ(URL)
options = {"result_ttl": option("result_ttl")} if option("result_ttl") is not None else {}
tasks = {
    function.__name__: app.task(function.__name__, queue="bench", **options)(function)
    for function in (jobs.noop, jobs.stamp, jobs.double, jobs.nap)
}


# When the library has a client for asyncio: the same functions as coroutines, chosen by an option of a variant that
# takes part in enqueue and bulk.
def send(job, *args):
    return tasks[job].enqueue(*args)


def bulk(job, calls):
    return tasks[job].enqueue_many([(args, {}) for args in calls])


def call(job, *args):
    return tasks[job].enqueue(*args).wait(10.0)
