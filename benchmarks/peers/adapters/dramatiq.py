"""Dramatiq."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from . import QUEUES, URL, jobs, option

broker = RedisBroker(url=URL, **option("broker", {}))
if option("results"):
    broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)
actors = {
    function.__name__: dramatiq.actor(function, actor_name=function.__name__, queue_name="bench")
    for function in (jobs.noop, jobs.stamp, jobs.double, jobs.nap)
}
if "urgent" in QUEUES:
    dramatiq.actor(jobs.noop, actor_name="urgent", queue_name="urgent")


def send(job, *args):
    return actors[job].send(*args)


if option("results"):

    def call(job, *args):
        return send(job, *args).get_result(block=True, timeout=10_000)
