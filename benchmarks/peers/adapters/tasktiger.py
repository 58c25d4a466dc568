"""TaskTiger."""

from __future__ import annotations

from redis import Redis
from tasktiger import JobTimeoutException, TaskTiger

from . import PORT, jobs, option

tiger = TaskTiger(connection=Redis(port=PORT, decode_responses=True))
# A job whose worker has died is run again only if it may be after a time-out.
options = {"retry_on": [Exception, JobTimeoutException]} if option("retry") else {}


def send(job, *args):
    return tiger.delay(getattr(jobs, job), args=args, queue="bench", **options)
