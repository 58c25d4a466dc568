"""run_all and eager: the worker's own path, in this thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import redisq
from redisq import CurrentJob, EnqueueCall, InvalidOption, JobFailed, Middleware, RedisQ, UnknownTask
from redisq.testing import connected, eager, run_all


def statuses(jobs: list[redisq.Job]) -> list[str]:
    return [job.status for job in jobs]


def test_runs_all_that_is_queued_in_this_thread_first_in_first_out(app: RedisQ) -> None:
    ran = []

    @app.task("note")
    def note(value: Any) -> int:
        ran.append((value, threading.current_thread()))
        return len(ran)

    note.enqueue_many([((n,), {}) for n in range(300)])
    note.options(queue="low").enqueue("last")
    jobs = run_all(app)
    assert ran == [(value, threading.main_thread()) for value in [*range(300), "last"]]
    assert [job.result for job in jobs] == list(range(1, 302))
    assert run_all(app) == []
    assert app.queue("default").workers() == []


def test_arguments_go_through_the_codec(app: RedisQ) -> None:
    got = []
    app.task("note")(lambda *args, **kwargs: got.append((args, kwargs)))
    app.queue("default").enqueue("note", (1, 2), {3: "x"}, key=None)
    run_all(app)
    assert got == [(([1, 2], {"3": "x"}), {"key": None})]


def test_only_the_queues_that_are_named_in_their_order(app: RedisQ) -> None:
    ran = []
    app.task("note")(ran.append)
    for name in ("low", "high", "other"):
        app.queue(name).enqueue("note", name)
    jobs = run_all(app, ["low", "high"])
    assert ran == ["low", "high"]
    assert [job.queue for job in jobs] == ["low", "high"]
    assert app.queue("other").counts()["queued"] == 1


def test_what_jobs_enqueue_runs_too_also_in_queues_that_are_new(app: RedisQ) -> None:
    ran = []

    @app.task("first")
    def first() -> None:
        ran.append("first")
        redisq.current_job().enqueue(second, 1)
        redisq.current_job().enqueue(second.options(queue="elsewhere"), 2)
        second.options(queue="new").enqueue(3)

    @app.task("second")
    def second(n: int) -> None:
        ran.append(n)

    first.enqueue()
    assert len(run_all(app)) == 4
    assert ran[0] == "first"
    assert sorted(ran[1:]) == [1, 2, 3]


def test_retries_run_at_once_and_count_attempts(app: RedisQ) -> None:
    attempts = []

    @app.task("flaky", max_attempts=3, backoff=3600.0)
    def flaky() -> str:
        attempts.append(redisq.current_job().attempt)
        if len(attempts) < 3:
            raise OSError("not yet")
        return "done"

    flaky.enqueue()
    (job,) = run_all(app)
    assert attempts == [1, 2, 3]
    assert (job.status, job.result, len(job.history)) == ("succeeded", "done", 2)


def test_the_exception_of_the_first_job_that_fails_for_good_is_raised_and_the_rest_is_left(app: RedisQ) -> None:
    error = ValueError("wrong")

    @app.task("fail", max_attempts=2)
    def fail() -> None:
        raise error

    fail.enqueue_many([((), {}), ((), {})])
    with pytest.raises(ValueError, match="wrong") as caught:
        run_all(app)
    assert caught.value is error
    assert app.queue("default").counts() == {"scheduled": 1, "queued": 0, "running": 0, "failed": 1}
    assert app.queue("default").workers() == []


def test_without_raising_failures_are_the_jobs_own(app: RedisQ) -> None:
    @app.task("fail", max_attempts=2)
    def fail() -> None:
        raise ValueError("wrong")

    @app.task("unkept", max_attempts=1)
    def unkept() -> object:
        return object()

    fail.enqueue()
    unkept.enqueue()
    jobs = run_all(app, raising=False)
    assert sorted(job.error or "" for job in jobs) == [
        "ValueError: wrong",
        "its result cannot be kept: NotSerializable: not a JSON value: Encoding objects of type object is unsupported",
    ]
    assert statuses(jobs) == ["failed", "failed"]


def test_a_result_that_cannot_be_kept_is_told(app: RedisQ) -> None:
    app.task("unkept")(lambda: object())
    app.queue("default").enqueue("unkept")
    with pytest.raises(AssertionError, match="its result cannot be kept"):
        run_all(app)


def test_a_task_that_the_app_does_not_have_is_told(app: RedisQ) -> None:
    app.queue("default").enqueue("no.such")
    with pytest.raises(UnknownTask, match=r"job default\..*no task 'no.such' is registered"):
        run_all(app)
    app.queue("low").enqueue("no.such")
    assert statuses(run_all(app, raising=False)) == ["scheduled"]


def test_jobs_with_a_delay_are_left_or_run_in_the_order_of_their_times(app: RedisQ) -> None:
    ran = []

    @app.task("note")
    def note(name: str, again: str | None = None) -> None:
        ran.append(name)
        if again:
            note.options(delay=1800.0).enqueue(again)

    note.options(delay=7200.0, queue="a").enqueue("third")
    note.options(delay=3600.0, queue="b").enqueue("second")
    note.enqueue("first", "in between")
    run_all(app)
    assert ran == ["first"]
    run_all(app, until=datetime.now(UTC) + timedelta(seconds=3000))
    assert ran == ["first", "in between"]
    run_all(app, scheduled=True)
    assert ran == ["first", "in between", "second", "third"]
    assert run_all(app, scheduled=True) == []


def test_a_job_that_a_rate_holds_back_stays_scheduled(app: RedisQ) -> None:
    ran = []
    app.task("note")(ran.append)
    for n in range(3):
        app.queue("default").options(limit="1/h").enqueue("note", n)
    run_all(app, scheduled=True)
    assert ran == [0]
    assert app.queue("default").counts()["scheduled"] == 2
    assert app.queue("default").purge() == 2


def test_there_is_an_end_to_what_has_none(app: RedisQ) -> None:
    @app.task("again")
    def again() -> None:
        redisq.current_job().enqueue(again)

    again.enqueue()
    with pytest.raises(AssertionError, match="no end after 5 runs: the next is default"):
        run_all(app, at_most=5)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), pytest.fail.Exception("no"), pytest.skip.Exception("no")])
def test_what_ends_the_test_is_no_failure_of_the_job(app: RedisQ, stop: BaseException) -> None:
    @app.task("stop")
    def stopping() -> None:
        raise stop

    job = stopping.enqueue()
    with pytest.raises(type(stop)):
        run_all(app, raising=False)
    assert (job.refresh().status, job.refresh().attempt) == ("queued", 1)


def test_soft_limits_signal_nobody(app: RedisQ) -> None:
    @app.task("late", soft_timeout=0.1)
    def late() -> str:
        threading.Event().wait(0.15)
        return "late"

    late.enqueue()
    assert [job.result for job in run_all(app)] == ["late"]


@pytest.mark.parametrize("until", [7, datetime(2026, 1, 1)])
def test_a_time_that_is_none_is_refused(app: RedisQ, until: Any) -> None:
    with pytest.raises(InvalidOption, match="until: an aware datetime"):
        run_all(app, until=until)


def test_one_name_is_no_list_of_queues(app: RedisQ) -> None:
    with pytest.raises(InvalidOption, match="queues: a list of names, not 'low'"):
        run_all(app, "low")


def test_a_paused_queue_is_left(app: RedisQ) -> None:
    app.task("note")(lambda: None)
    app.queue("low").enqueue("note")
    app.queue("low").pause()
    assert run_all(app, scheduled=True) == []
    app.queue("low").resume()
    assert len(run_all(app)) == 1


# Coroutines


def test_coroutines_run_also_where_a_loop_runs(app: RedisQ) -> None:
    @app.task("double")
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        if n == 0:
            raise RuntimeError("zero")
        return 2 * n + redisq.current_job().attempt

    async def main() -> list[Any]:
        await double.enqueue_async(2)
        return [job.result for job in run_all(app)]

    double.enqueue(1)
    assert [job.result for job in run_all(app)] == [3]
    assert asyncio.run(main()) == [5]
    double.enqueue(0)
    with pytest.raises(RuntimeError, match="zero"):
        run_all(app)


# Eager


def test_eager_answers_the_job_as_it_then_is(app: RedisQ) -> None:
    @app.task("pair")
    def pair(a: Any, b: Any) -> Any:
        return a, b

    with eager(app):
        job = pair.options(job_id="one").enqueue((1,), b=2)
        assert (job.status, job.result, job.created) == ("succeeded", [[1], 2], True)
        assert job.wait(timeout=0.0) == [[1], 2]
        assert pair.options(job_id="one").enqueue((1,), b=2).created is False
        assert [job.result for job in pair.enqueue_many([((1, 2), {}), ((3, 4), {})])] == [[1, 2], [3, 4]]
        assert asyncio.run(pair.enqueue_async(5, 6)).result == [5, 6]
        assert pair.options(delay=60.0).enqueue(7, 8).status == "scheduled"
    assert pair.enqueue(9, 10).status == "queued"


def test_eager_within_eager(app: RedisQ) -> None:
    @app.task("factorial")
    def factorial(n: int) -> int:
        return n * factorial.enqueue(n - 1).result if n else 1

    with eager(app):
        assert factorial.enqueue(5).result == 120


def test_eager_leaves_failures_to_the_job_unless_it_is_told(app: RedisQ) -> None:
    @app.task("fail", max_attempts=2)
    def fail() -> None:
        raise ValueError("wrong")

    with eager(app):
        job = fail.enqueue()
        assert (job.status, job.attempt) == ("failed", 2)
        with pytest.raises(JobFailed, match="wrong"):
            job.wait()
    with eager(app, raising=True), pytest.raises(ValueError, match="wrong"):
        fail.enqueue()


def test_a_task_with_batch_gets_one_job_a_call(app: RedisQ) -> None:
    @app.task("index", batch=10, linger=60.0, soft_timeout=0.001, max_attempts=2)
    def index(jobs: list[CurrentJob]) -> list[Any]:
        if jobs[0].args[0] == "raise":
            raise ValueError("raised")
        return [KeyError("listed") if job.args[0] == "list" else [job.args[0], len(jobs)] for job in jobs]

    index.enqueue_many([((name,), {}) for name in "ab"])
    assert [job.result for job in run_all(app)] == [["a", 1], ["b", 1]]
    index.enqueue("raise")
    with pytest.raises(ValueError, match="raised"):
        run_all(app)
    index.enqueue("list")
    with pytest.raises(KeyError, match="listed"):
        run_all(app)


def test_middlewares_see_it_as_in_a_worker(redis_url: str) -> None:
    told: list[tuple[Any, ...]] = []

    class Noting(Middleware):
        def before_enqueue(self, call: EnqueueCall) -> None:
            call.headers["who"] = "ada"

        @contextmanager
        def around_run(self, job: CurrentJob) -> Iterator[None]:
            told.append((job.task, job.headers))
            yield

        def after_run(self, job: redisq.Job, outcome: str, seconds: float) -> None:
            told.append((job.task, outcome))

    app = RedisQ(middleware=[Noting()])

    @app.task("plain")
    def plain() -> None: ...

    @app.task("coroutine")
    async def coroutine() -> None: ...

    with connected(app, redis_url):
        plain.enqueue()
        coroutine.enqueue()
        run_all(app)
    assert told == [
        *(("plain", {"who": "ada"}), ("plain", "succeeded")),
        *(("coroutine", {"who": "ada"}), ("coroutine", "succeeded")),
    ]
