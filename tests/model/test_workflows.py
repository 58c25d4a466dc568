"""Jobs that wait for each other, in any order and of two queues, against a model of a few lines: whatever becomes of
their parents, they are queued, blocked or cancelled as documented, and know how their parents ended.
"""

from __future__ import annotations

import os
from typing import Any

import redis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import redisq
from redisq import RedisQ
from redisq.claimed import Source
from redisq.forward import drain
from tests.invariants import check

EXAMPLES = int(os.environ.get("REDISQ_MODEL_EXAMPLES", "90")) // 4
SEED = os.environ.get("REDISQ_MODEL_SEED", "1")
SHRINK = [Phase.shrink] if os.environ.get("REDISQ_MODEL_SHRINK") else []
QUEUES = ("q", "other")
OPTIONS = {"s": "after", "f": "after_failure", "e": "after_end"}
#: Queue, mode, and which of the jobs before it a job waits for.
jobs = st.tuples(st.sampled_from(QUEUES), st.sampled_from("ssfee"), st.sets(st.integers(0, 7), min_size=1, max_size=3))
actions = st.tuples(
    st.sampled_from(["succeed", "succeed", "fail", "fail", "retry", "again", "cancel", "delete", "forget"]),
    st.integers(0, 99),
)


class Job:
    """What a job is expected to be: waiting, queued, dead, succeeded or cancelled; and what it knows of its parents."""

    def __init__(self, queue: str, mode: str, parents: list[Job]) -> None:
        self.queue, self.mode, self.parents = queue, mode, parents
        self.state = "waiting" if parents else "queued"
        self.children: list[Job] = []
        self.told: dict[Job, str] = {}
        self.id = ""
        for parent in parents:
            parent.children.append(self)
            if parent.state in ("succeeded", "dead", "cancelled"):
                self.hear(parent)

    def hear(self, parent: Job) -> None:
        """Of a parent's end."""
        how = parent.state
        if self.state != "waiting" or parent in self.told or (how == "dead" and self.mode == "s"):
            return
        self.told[parent] = {"succeeded": "succeeded", "dead": "failed", "cancelled": "cancelled"}[how]
        last = len(self.told) == len(self.parents)
        if self.mode == "s" and how == "cancelled":
            self.end("cancelled")
        elif self.mode == "f" and how != "dead":
            if last:
                self.end("cancelled")
        elif self.mode == "f" or last:
            self.state = "queued"

    def end(self, state: str) -> None:
        self.state = state
        for child in self.children:
            child.hear(self)


STATUSES = {state: state for state in ("queued", "succeeded", "cancelled")} | {"waiting": "scheduled", "dead": "failed"}
#: Of jobs to which something can be done; to others, anything.
STATES = {
    "succeed": ["queued"],
    "fail": ["queued"],
    "cancel": ["queued", "waiting"],
    "retry": ["dead"],
    "again": ["dead"],
    "forget": ["dead"],
}


class World:
    """The queues, and the jobs that are expected in them."""

    def __init__(self, app: RedisQ) -> None:
        self.app = app
        self.jobs: list[Job] = []
        self.deleted: set[Job] = set()

    def add(self, queue: str, mode: str, numbers: set[int]) -> None:
        here = [job for job in self.jobs if job not in self.deleted]
        parents = list(dict.fromkeys(here[number % len(here)] for number in sorted(numbers))) if here else []
        job = Job(queue, mode, parents)
        options: dict[str, Any] = {OPTIONS[mode]: [parent.id for parent in parents]} if parents else {}
        job.id = self.app.queue(queue).options(**options).put(len(self.jobs)).id
        self.jobs.append(job)

    def act(self, what: str, number: int) -> None:
        """What is done to one of the jobs to which it can be done."""
        fits = [job for job in self.jobs if job not in self.deleted and job.state in STATES.get(what, STATUSES)]
        if not fits:
            return
        job = fits[number % len(fits)]
        if what in ("succeed", "fail"):
            self.settle(job, what)
        elif what == "retry":
            self.app.job(job.id).retry()
            job.state = "queued"
        elif what == "again":  # at once, and it succeeds
            self.app.job(job.id).retry()
            job.state = "queued"
            while job.state == "queued":
                self.settle(job, "succeed")
        elif what in ("delete", "forget"):
            self.app.job(job.id).delete()
            self.deleted.add(job)
            if job.state != "succeeded" and job.state != "cancelled":
                job.end("cancelled")
        else:
            self.app.job(job.id).cancel()
            job.end("cancelled")

    def settle(self, job: Job, what: str) -> None:
        """The next job of its queue ends so, which may be another."""
        delivery = self.app.queue(job.queue).claim(0.0)
        assert delivery is not None
        job = next(one for one in self.jobs if one.id == delivery.job.id)
        assert job.state == "queued"
        if what == "succeed":
            delivery.ack(job.id)
            job.end("succeeded")
        else:
            delivery.nack(redisq.GiveUp("no"))
            job.end("dead")

    def look(self, client: redis.Redis) -> None:
        """All is as expected, once what is on its way has come."""
        while sum(drain(self.app.settings, Source(name, self.app.queue(name).base)) for name in QUEUES):
            pass
        check(client)
        for job, found in zip(self.jobs, self.app.find_jobs([job.id for job in self.jobs]), strict=True):
            if job in self.deleted:
                assert found is None
                continue
            assert found is not None
            assert found.status == STATUSES[job.state], f"{job.id}: {job.mode} of {[p.state for p in job.parents]}"
            if job.state in ("queued", "dead"):
                told = [job.told.get(parent) for parent in job.parents]
                assert [parent.status for parent in found.parents()] == told
                for parent, how in zip(found.parents(), told, strict=True):
                    assert parent.result == (parent.id if how == "succeeded" else None)


@seed(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, *SHRINK],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.one_of(jobs, actions, actions), max_size=20))
def test_jobs_that_wait_for_each_other(redis_url: str, steps: list[tuple[Any, ...]]) -> None:
    app = RedisQ(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        world = World(app)
        for step in steps:
            if len(step) == 3:
                world.add(*step)
            else:
                world.act(*step)
            world.look(client)
    app.close()
