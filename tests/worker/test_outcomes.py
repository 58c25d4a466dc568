"""Middlewares hear what became of each job, as the worker leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from redisq import CurrentJob, GiveUp, Job, Middleware, RedisQ
from redisq.claimed import Claimed, Settlement
from redisq.worker.hands import Loop, Threads
from redisq.worker.lanes import Lanes
from redisq.worker.outcomes import Outcomes
from redisq.worker.runner import Runner
from redisq.worker.stint import Stint
from redisq.worker.together import Together

from .test_runner import claimed as plainly_claimed

Heard = tuple[Job, str, float]


class Hearing(Middleware):
    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def after_run(self, job: Job, outcome: str, seconds: float) -> None:
        self.heard.append((job, outcome, seconds))
        if outcome == "dead":
            raise SystemExit


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture
def app(hearing: Hearing) -> RedisQ:
    app = RedisQ("redis://127.0.0.1:1/0", patience=0.0, middleware=[hearing])

    @app.task("act")
    def act(how: str) -> str:
        if how == "fine":
            return how
        raise {"fail": ValueError, "give up": GiveUp}[how](how)

    @app.task("act_async")
    async def act_async(how: str) -> str:
        return act(how)

    return app


def claimed(task: str, *args: Any, **changes: Any) -> Claimed:
    return plainly_claimed(task, *args, **({"options": b'{"headers":{"a":"b"}}'} | changes))


def run(app: RedisQ, job: Claimed) -> Settlement:
    """As a child that runs one job at a time does."""
    runner = Runner(app, "w1")
    return Outcomes(app).of_runs(runner.run)(job, runner.options(job))


def test_the_job_is_as_the_worker_leaves_it(app: RedisQ, hearing: Hearing) -> None:
    for how in ("fine", "fail", "give up"):
        run(app, claimed("act", how))
    (fine, *words), (failed, *more), (dead, *_) = hearing.heard
    assert (words[0], fine.status, fine.result, fine.error) == ("succeeded", "succeeded", "fine", None)
    assert (more[0], failed.status, failed.result, failed.error) == ("retried", "scheduled", None, "ValueError: fail")
    assert failed.traceback is not None
    assert 'raise {"fail"' in failed.traceback
    assert (dead.status, dead.error, dead.attempt) == ("failed", "GiveUp: give up", 1)
    assert (fine.id, fine.task, fine.args, fine.headers) == ("default.j1", "act", ["fine"], {"a": "b"})
    assert all(0 <= seconds < 60 for _, _, seconds in hearing.heard)


def test_it_hears_of_jobs_that_could_not_be_run(app: RedisQ, hearing: Hearing) -> None:
    run(app, claimed("unknown"))
    run(app, claimed("act", "fine", marks=1))
    run(app, claimed("act", body=b"no"))
    assert [outcome for _, outcome, _ in hearing.heard] == ["postponed", "cancelled", "dead"]
    assert [job.status for job, _, _ in hearing.heard] == ["scheduled", "cancelled", "failed"]
    assert hearing.heard[2][0].error.startswith("its arguments cannot be read")  # type: ignore[union-attr]


def test_what_it_raises_is_logged_and_the_job_settled(app: RedisQ, caplog: pytest.LogCaptureFixture) -> None:
    assert run(app, claimed("act", "give up")).way == "f"
    assert "middleware.failed name=Hearing step=after_run id=default.j1" in caplog.text


@pytest.mark.parametrize(("kind", "task"), [(Threads, "act"), (Loop, "act_async")])
def test_of_jobs_that_run_beside_others_too(app: RedisQ, hearing: Hearing, kind: Any, task: str) -> None:
    ended: SimpleQueue[Settlement] = SimpleQueue()
    runner = Runner(app, "w1")
    hands = kind(1, runner, Outcomes(app).of_stints(lambda _, settlement: ended.put(settlement)))
    lanes = Lanes(1)
    try:
        for how in ("fine", "give up", "fail"):
            job = claimed(task, how)
            lanes.lanes[0].start(b"default.j1", 0.0)
            hands.start(Stint(job, runner.options(job), lanes.lanes[0]))
            ended.get(timeout=10)
            hands.release()
    finally:
        hands.close()
        lanes.close()
    assert [outcome for _, outcome, _ in hearing.heard] == ["succeeded", "dead", "retried"]


def test_who_does_not_want_to_know_is_not_in_the_way() -> None:
    outcomes = Outcomes(RedisQ("redis://127.0.0.1:1/0", middleware=[Middleware()]))

    def run(job: Claimed, options: Any) -> Settlement:
        raise NotImplementedError

    def done(stint: Stint, settlement: Settlement) -> None: ...

    assert outcomes.of_runs(run) is run
    assert outcomes.of_stints(done) is done


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_call_for_several_jobs_is_in_what_is_around_it_and_each_is_told_of(kind: str) -> None:
    steps: list[Any] = []

    class Watching(Hearing):
        @contextmanager
        def around_batch(self, jobs: Sequence[CurrentJob]) -> Iterator[None]:
            steps.append(len(jobs))
            with pytest.raises(KeyError):
                yield
            raise ValueError("no database")

    hearing = Watching()
    app = RedisQ("redis://127.0.0.1:1/0", patience=0.0, middleware=[hearing])

    def index(jobs: list[CurrentJob]) -> None:
        steps.append([job.args for job in jobs])
        raise KeyError

    async def index_async(jobs: list[CurrentJob]) -> None:
        index(jobs)

    app.task("act", batch=10)(index if kind == "plain" else index_async)
    runner = Runner(app, "w1")
    together = Together(runner, [claimed("act", "fine"), claimed("act", "fail", attempts=b"2")])
    settled = Outcomes(app).of_call(together.run)
    runner.close()
    assert steps == [2, [["fine"], ["fail"]]]
    assert [settlement.way for settlement in settled] == ["r", "f"]
    assert [(outcome, job.error) for job, outcome, _ in hearing.heard] == [
        ("retried", "ValueError: no database (in middleware Watching)"),
        ("dead", "ValueError: no database (in middleware Watching)"),
    ]
