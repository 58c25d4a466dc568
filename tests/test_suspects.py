"""A suspect of the second time runs alone: not beside jobs of the same queue, and not beside those of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from redisq import RedisQ
from redisq.claimed import Claimed, Source
from redisq.claimer import Claimer, giving_back, registration, worker_name
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


def test_the_claim_tells_who_is_to_run_alone_also_when_its_answer_was_lost(app: RedisQ) -> None:
    a_suspect_in(app, "low")
    source = Source("low", app.queue("low").base)
    worker = worker_name()
    app.settings.server.call(registration(app.settings, [source], worker))
    lost, claimer = (Claimer(app.settings, [source], worker) for _ in range(2))
    assert [job.alone for job in lost.exchange([], 10)[1]] == [1]
    assert [job.alone for job in claimer.exchange([], 10)[1]] == [1]  # the same number: what the worker holds
    for one in (lost, claimer):
        one.close()


def test_others_are_not_told_to_run_alone(app: RedisQ) -> None:
    app.queue("low").enqueue_many("task", [((), {})] * 3)
    assert [job.alone for job in claim(app, ["low"])[0]] == [False] * 3


def test_of_several_of_which_one_crashed_their_worker_all_are_suspects(app: RedisQ) -> None:
    """The second time they run alone; in a queue of which none ran, nobody is suspected."""
    sources = [Source(name, app.queue(name).base) for name in ("high", "low")]
    app.queue("high").enqueue_many("task", [((), {}, {"job_id": f"j{n}"}) for n in range(3)])
    app.queue("low").options(job_id="innocent").enqueue("task")
    for time in (1, 2):
        worker = worker_name()
        app.settings.server.call(registration(app.settings, sources, worker))
        claimer = Claimer(app.settings, sources, worker)
        assert len(claimer.exchange([], 10)[1]) == 4
        claimer.close()
        app.settings.server.call(giving_back(app.settings, sources, worker, suspects=["high.j0", "high.j1"]))
        fields = [("HGET", f"{sources[0].base}job:j{n}", "q") for n in range(3)]
        assert app.settings.server.call(fields) == [b"%d" % time] * 3
    look = [("LLEN", sources[0].base + "suspects"), ("LLEN", sources[1].base + "pending")]
    assert app.settings.server.call(look) == [3, 1]
