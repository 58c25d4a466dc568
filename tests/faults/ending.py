"""The final state of a fault run, read through the library and from the service's database, as lines of a history."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import redis

import redisq
from tests import invariants
from tests.faults.history import History
from tests.faults.workload import FEED, HAND, MANY, QUEUES

_PAGE = 500


def write(app: redisq.RedisQ, database: Path, history: History, asked: list[str]) -> None:
    """Every job that can be met in any place, every one of `asked` that cannot, and every task of the service."""
    listed: Counter[str] = Counter()
    records: dict[str, dict[str, Any]] = {}
    for name in (*QUEUES, HAND):
        for job in app.queue(name).jobs(limit=MANY):
            listed[job.id] += 1
            records[job.id] = _record(job)
    missing = iter([job_id for job_id in asked if job_id not in listed])
    while page := list(islice(missing, _PAGE)):
        records |= {job.id: _record(job) for job in app.find_jobs(page) if job is not None}
    for job_id, record in records.items():
        history.note("record", id=job_id, listed=listed[job_id], **record)
    with redis.Redis.from_url(app.settings.server.url) as client:
        try:
            invariants.check(client)
        except AssertionError as error:
            history.note("broken", what=str(error))
    with closing(sqlite3.connect(database)) as connection:
        for id_, queue, state, result in connection.execute("SELECT id, queue, state, result FROM task"):
            token = json.loads(result)["token"] if state == "succeeded" else 0
            history.note("row", id=f"{queue}.{id_}", state=state, token=token)


def write_held_up(app: redisq.RedisQ, history: History) -> None:
    """What waits or runs when nothing has hindered it for long; the same of all that is not a job of a queue."""
    found = [
        f"{job.id} is {job.status}"
        for name in (*QUEUES, HAND)
        for status in ("running", "queued", "scheduled")
        for job in app.queue(name).jobs(status, limit=MANY)
    ]
    for what in found or ["something beside the jobs: a follow-up, news or a task of the service"]:
        history.note("held", what=what)


def is_done(app: redisq.RedisQ, database: Path) -> bool:
    """Whether nothing waits, runs, is on its way to another queue, or is still to be told."""
    for name in (*QUEUES, HAND):
        counts = app.queue(name).counts()
        if counts["scheduled"] + counts["queued"] + counts["running"]:
            return False
    with closing(sqlite3.connect(database, timeout=10.0)) as connection:
        if connection.execute("SELECT 1 FROM task WHERE state IN ('accepted', 'scheduled', 'queued')").fetchone():
            return False
    with redis.Redis.from_url(app.settings.server.url) as client:
        if any(client.llen(f"{app.queue(name).base}forward") for name in QUEUES):
            return False
        news = (client.scan_iter(f"{app.queue(name).base}feed:{FEED}:job:*", count=5000) for name in (*QUEUES, HAND))
        return not any(next(iter(one), None) for one in news)


def _record(job: redisq.Job) -> dict[str, Any]:
    """What the checker wants to know of a job: which one it is, how it ended, and by which execution."""
    key, token = None, 0
    if job.status == "succeeded" and isinstance(job.result, dict):
        key, token = job.result["key"], job.result["token"]
    elif spec := job.args[0] if job.args else job.payload:
        key = spec.split(" ")[0]
        planned = re.search(r"planned (\d+)$", job.error or "")
        token = int(planned[1]) if planned else 0
    return {"status": job.status, "key": key, "token": token, "error": job.error}
