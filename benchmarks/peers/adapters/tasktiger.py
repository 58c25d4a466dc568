"""TaskTiger."""

from __future__ import annotations

from redis import Redis
from tasktiger import TaskTiger

from . import PORT, jobs, option

tiger = TaskTiger(connection=Redis(port=PORT, decode_responses=True))


def send(job, *args):
    return tiger.delay(getattr(jobs, job), args=args, queue="bench", **option("job", {}))
