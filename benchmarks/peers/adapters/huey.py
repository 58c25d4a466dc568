"""Huey."""

from __future__ import annotations

from huey import RedisHuey

from . import URL, jobs, option

huey = RedisHuey("bench", url=URL, **option("huey", {}))
tasks = {
    function.__name__: huey.task(name=function.__name__)(function)
    for function in (jobs.noop, jobs.stamp, jobs.double, jobs.nap)
}


def send(job, *args):
    return tasks[job](*args)


if huey.results:

    def call(job, *args):
        return send(job, *args).get(blocking=True, timeout=10)
