"""RQ."""

from __future__ import annotations

from redis import Redis
from rq import Queue, Retry

from . import URL, jobs, option

queue = Queue("bench", connection=Redis.from_url(URL))
options = {}
if option("retries"):
    options["retry"] = Retry(max=option("retries"))
if option("result_ttl") is not None:
    options["result_ttl"] = option("result_ttl")


def send(job, *args):
    return queue.enqueue(getattr(jobs, job), *args, **options)


def bulk(job, calls):
    function = getattr(jobs, job)
    queue.enqueue_many([Queue.prepare_data(function, args, **options) for args in calls])


def call(job, *args):
    return send(job, *args).latest_result(timeout=10).return_value
