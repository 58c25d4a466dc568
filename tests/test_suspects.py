"""A suspect of the second time runs alone: not beside jobs of the same queue, and not beside those of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from redisq import RedisQ
from redisq.claimed import Claimed, Source
from redisq.claimer import Claimer, registration, worker_name
from tests.invariants import checked_app


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


def a_suspect_in(app: RedisQ, queue: str) -> str:
    """The id of a job that waits in `suspects`."""
    job_id = app.queue(queue).options(job_id="suspect").enqueue("task").local_id
    base = app.queue(queue).base
    app.settings.server.call(
        [
            ("HSET", f"{base}job:{job_id}", "q", 2),
            ("LREM", f"{base}pending", 1, job_id),
            ("LPUSH", f"{base}suspects", job_id),
        ]
    )
    return job_id


def claim(app: RedisQ, queues: Sequence[str]) -> list[list[Claimed]]:
    """What a worker gets that claims, settles nothing, and claims again."""
    sources = [Source(name, app.queue(name).base) for name in queues]
    worker = worker_name()
    app.settings.server.call(registration(app.settings, sources, worker))
    claimer = Claimer(app.settings, sources, worker)
    try:
        return [claimer.exchange([], 10)[1], claimer.exchange([], 10)[1]]
    finally:
        claimer.close()


def ids(jobs: Sequence[Claimed]) -> list[str]:
    return [job.full_id for job in jobs]


@pytest.mark.parametrize("other", ["high", "low"])
def test_a_suspect_waits_while_there_are_jobs_of_an_earlier_queue(app: RedisQ, other: str) -> None:
    a_suspect_in(app, "low")
    app.queue(other).options(job_id="neighbour").enqueue("task")

    first, second = claim(app, ["high", "low"])

    assert ids(first) == (["high.neighbour"] if other == "high" else ["low.suspect"])
    assert ids(second) == ([] if other == "high" else ["low.neighbour"])
