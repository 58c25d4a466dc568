"""The app of a fault run of the service: a task that notes, outside of Redis and of the database, that it ran."""

from __future__ import annotations

import os

import redisq
from tests.faults.workload import history

app = redisq.RedisQ(lease=float(os.environ.get("FAULTS_LEASE", "3")))


@app.task(name="note")
def note(input_param: str) -> list[object]:
    """Its effect is the line of its end; the answer says which run it was that counted."""
    job = redisq.current_job()
    history().note("start", key=input_param, token=job.token, id=job.id)
    history().note("end", key=input_param, token=job.token, id=job.id)
    return [input_param, job.token]
