"""What must hold in Redis whenever nobody is in the middle of something: each job in one place, no key left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from redisq import RedisQ

# place -> the status letter that the hash of a job in it has
LISTS = {"pending": None, "suspects": None}
SORTED = {"scheduled": b"d", "dead": b"f"}
# keys of a queue that may stand for ever, beside the places and the jobs
LASTING = {"workers", "calls", "ended", "forward", "wake", "state", "cron", "flow"}
# keys that only a job has which is in a place
TIES = {"after", "next"}


@contextmanager
def checked_app(url: str, **options: Any) -> Iterator[RedisQ]:
    """An app on an empty server; at the end of the test, what it left in Redis is checked."""
    app = RedisQ(url, **options)
    yield app
    with redis.Redis.from_url(url) as client:
        check(client, app.settings.namespace)
    app.close()


def check(client: redis.Redis, namespace: str = "redisq") -> None:
    """AssertionError for a job in no place or two, a status that is not its place's, a lost token, or a leaked key."""
    for name in client.smembers(f"{namespace}:queues"):
        check_queue(client, f"{namespace}:{{{name.decode()}}}:")
    strays = [key for key in client.scan_iter(f"{namespace}:*") if b":{" not in key and not key.endswith(b":queues")]
    assert not strays, strays


def check_queue(client: redis.Redis, base: str) -> None:
    """The same for the queue whose keys begin with `base`, and for its feeds."""
    held = places(client, base)
    feeds: set[str] = set()
    jobs: list[str] = []
    logs: list[str] = []
    for key in client.scan_iter(f"{base}*", count=1000):
        rest = key.decode()[len(base) :]
        kind, _, tail = rest.partition(":")
        if kind == "feed":
            feeds.add(tail.partition(":")[0])
        elif kind == "job":
            jobs.append(tail)
        elif kind == "log":
            logs.append(tail)
        elif kind in TIES:
            assert tail in held, f"{key!r} is there, and its job is in no place"
        elif client.ttl(key) == -1:
            assert kind in {"claimed", *LISTS, *SORTED, *LASTING}, f"{key!r} stays for ever"
    _check_jobs(client, base, jobs, held)
    for job_id in logs:
        kept, log_kept = client.pttl(f"{base}job:{job_id}"), client.pttl(f"{base}log:{job_id}")
        assert log_kept in (-2, kept) or 0 < log_kept <= kept, f"{job_id} has gone before what it logged"
    missing = held.keys() - set(jobs)
    assert not missing, f"{missing} are in a place, without a record"
    _check_waiting(client, base)
    _check_token(client, base)
    for feed in feeds:
        check_queue(client, f"{base}feed:{feed}:")


def places(client: redis.Redis, base: str) -> dict[str, list[tuple[str, bytes | None]]]:
    """Job id -> the places in which it is, each with the status that a job there has."""
    found: dict[str, list[tuple[str, bytes | None]]] = {}
    rows = [(name, status, client.lrange(base + name, 0, -1)) for name, status in LISTS.items()]
    rows += [(name, status, client.zrange(base + name, 0, -1)) for name, status in SORTED.items()]
    for key in client.scan_iter(f"{base}claimed:*"):
        worker = key.decode().rpartition(":")[2]
        assert client.zscore(f"{base}workers", worker) is not None, f"{worker} holds jobs, and is not registered"
        rows.append((f"claimed:{worker}", b"r", client.lrange(key, 0, -1)))
    for name, status, ids in rows:
        for job_id in ids:
            found.setdefault(job_id.decode(), []).append((name, status))
    return found


def _check_jobs(
    client: redis.Redis, base: str, jobs: list[str], held: dict[str, list[tuple[str, bytes | None]]]
) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for job_id in jobs:
            pipeline.hmget(f"{base}job:{job_id}", "s", "g").pttl(f"{base}job:{job_id}")
        replies = pipeline.execute()
    for job_id, (status, untold), ttl in zip(jobs, replies[::2], replies[1::2], strict=True):
        at = held.get(job_id, [])
        assert len(at) <= 1, f"{job_id} is in {at}"
        if at:
            assert status == at[0][1], f"{job_id} is in {at[0][0]}, with status {status!r}"
            assert ttl == -1, f"{job_id} is in {at[0][0]}, and its record expires"
        elif ttl != -2:  # it has expired meanwhile
            assert status in (b"s", b"c", b"f"), f"{job_id} is in no place, with status {status!r}"
            assert untold is not None or ttl > 0, f"the record of {job_id}, which has ended, stays for ever"


def _check_waiting(client: redis.Redis, base: str) -> None:
    """Who waits for others is scheduled for never, and those of its queue know it."""
    never = {job_id.decode() for job_id in client.zrangebyscore(f"{base}scheduled", "inf", "inf")}
    waiting = set()
    for key in client.scan_iter(f"{base}after:*"):
        job_id, told = key.decode()[len(base) + 6 :], client.hgetall(key)
        parents = {name.decode(): value for name, value in told.items() if b"." in name}
        open_ = [name for name, value in parents.items() if b":" not in value]
        if int(told[b"left"]) > 0:
            waiting.add(job_id)
            assert len(open_) == int(told[b"left"]), f"{job_id} waits for {told[b'left']!r} of {parents}"
            _check_told(client, base, job_id, open_)
    assert never == waiting, f"scheduled for never, or waiting for others: {never ^ waiting}"


def _check_told(client: redis.Redis, base: str, job_id: str, parents: list[str]) -> None:
    here = base[base.index("{") + 1 : base.index("}")]
    for parent in parents:
        queue, _, local_id = parent.partition(".")
        if queue == here:
            listed = client.lrange(f"{base}next:{local_id}", 0, -1)
            assert f"{here}.{job_id}".encode() in listed, f"{job_id} waits for {parent}, which does not know"
            status = client.hget(f"{base}job:{local_id}", "s")
            assert status not in (b"s", b"c"), f"{job_id} waits for {parent} for ever"


def _check_token(client: redis.Redis, base: str) -> None:
    tokens, waiting = client.llen(f"{base}wake"), client.llen(f"{base}pending") + client.llen(f"{base}suspects")
    assert tokens <= 1, f"{tokens} tokens"
    if waiting and not client.hexists(f"{base}state", "paused"):
        assert tokens == 1, f"{waiting} jobs wait, and nobody is told: no token in {base}wake"
