"""What a call of several jobs is made with, and what becomes of each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest

from redisq import CurrentJob, GiveUp, NoCurrentJob, RedisQ, Retry, current_job
from redisq.claimed import Claimed, Settlement, Source
from redisq.worker.hands import Hands, Loop, Threads
from redisq.worker.lanes import Lanes
from redisq.worker.runner import Runner
from redisq.worker.stint import Stint
from redisq.worker.together import Together
from tests.waiting import wait_until

SOURCE = Source("default", "redisq:{default}:")


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0", patience=0.0)


def job(n: int, **changes: Any) -> Claimed:
    fields = (1, b"1", b"batch", msgspec.json.encode([[n], {}]), None, b"1700000000000", None, None, None)
    return msgspec.structs.replace(Claimed(SOURCE, b"j%d" % n, *fields), **changes)


def run(app: RedisQ, func: Callable[..., Any], *jobs: Claimed, **options: Any) -> list[Settlement]:
    app.task("batch", batch=10, **options)(func)
    runner = Runner(app, "w1")
    try:
        return Together(runner, jobs).run()
    finally:
        runner.close()


def short(settled: list[Settlement]) -> list[tuple[bytes, str, bytes | str]]:
    return [(one.job.id, one.way, one.text) for one in settled]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_result_for_each_and_none_for_none(app: RedisQ, is_async: bool) -> None:
    def double(jobs: list[CurrentJob]) -> list[int]:
        with pytest.raises(NoCurrentJob):
            current_job()
        return [2 * job.args[0] for job in jobs]

    async def double_async(jobs: list[CurrentJob]) -> list[int]:
        await asyncio.sleep(0)
        return double(jobs)

    func = double_async if is_async else double
    assert short(run(app, func, job(1), job(2))) == [(b"j1", "s", b"2"), (b"j2", "s", b"4")]


def test_none_is_success_of_all(app: RedisQ) -> None:
    assert short(run(app, lambda jobs: None, job(1), job(2))) == [(b"j1", "s", b"null"), (b"j2", "s", b"null")]


def test_an_exception_in_the_list_fails_its_job_alone(app: RedisQ) -> None:
    errors = [None, ValueError("bad"), Retry(in_=7.0), GiveUp("never"), OSError("listed")]
    settled = run(
        app, lambda jobs: tuple(errors), *map(job, range(5)), backoff=2.0, give_up_on=(OSError,), max_attempts=3
    )
    assert [one.way for one in settled] == ["s", "r", "r", "f", "f"]
    assert settled[1].text == b"ValueError: bad"
    assert settled[2].ms == 7000


def test_what_is_raised_fails_each_by_its_own_attempts(app: RedisQ) -> None:
    def broken(jobs: list[CurrentJob]) -> None:
        jobs[0].enqueue("other")
        raise ValueError("all")

    settled = run(app, broken, job(1), job(2, attempts=b"1"), job(3, options=b'{"max_attempts":1}'), max_attempts=3)
    assert [one.way for one in settled] == ["r", "r", "f"]
    assert {one.text for one in settled} == {b"ValueError: all"}
    assert all(b"in broken" in one.trace for one in settled)


@pytest.mark.parametrize(
    ("result", "what"),
    [([1], "1 results"), ([1, 2, 3], "3 results"), ({"a": 1, "b": 2}, "a dict"), ("ab", "a str"), (7, "a int")],
)
def test_what_is_no_result_for_each_is_a_mistake_that_is_not_repeated(app: RedisQ, result: Any, what: str) -> None:
    settled = run(app, lambda jobs: result, job(1), job(2))
    error = f"a batch of 2 jobs has returned {what}, not None or as many results".encode()
    assert short(settled) == [(b"j1", "f", error), (b"j2", "f", error)]


def test_a_result_that_cannot_be_kept_is_its_jobs_own_failure(app: RedisQ) -> None:
    assert [one.way for one in run(app, lambda jobs: [object(), 1], job(1), job(2))] == ["f", "s"]


def test_jobs_that_cannot_be_called_are_left_out(app: RedisQ) -> None:
    unread, late, newer = job(2, body=b"{"), job(3, marks=1), job(4, version=b"9")
    settled = run(app, lambda jobs: [job.args[0] for job in jobs], job(1), unread, late, newer, job(5))
    assert {one.job.id: one.way for one in settled} == {b"j1": "s", b"j2": "f", b"j3": "c", b"j4": "p", b"j5": "s"}


def test_without_any_nothing_is_called(app: RedisQ) -> None:
    called: list[object] = []
    assert [one.way for one in run(app, called.append, job(1, marks=1), job(2, body=None))] == ["c", "f"]
    assert called == []


def test_follow_ups_leave_with_the_job_that_enqueued_them(app: RedisQ) -> None:
    def parents(jobs: list[CurrentJob]) -> list[Any]:
        for one in jobs:
            one.enqueue("child", one.args[0])
        return [None, ValueError()]

    first, second = run(app, parents, job(1), job(2))
    assert first.follow
    assert not second.follow


def test_the_call_has_the_longest_of_the_limits(app: RedisQ) -> None:
    app.task("batch", batch=10, timeout=5.0)(lambda jobs: None)
    runner = Runner(app, "w1")
    limits = Together(runner, [job(1), job(2, options=b'{"timeout":9,"soft_timeout":3}')]).limits
    assert (limits.timeout, limits.soft_timeout) == (9.0, 3.0)
    assert Together(runner, [job(1)]).limits.soft_timeout is None


# Among others


@pytest.fixture(params=[Threads, Loop])
def hands(request: pytest.FixtureRequest, app: RedisQ) -> Iterator[tuple[Hands, Runner, SimpleQueue[list[Settlement]]]]:
    ended: SimpleQueue[list[Settlement]] = SimpleQueue()
    begun = threading.Event()

    def endless(jobs: list[CurrentJob]) -> list[int]:
        while jobs[0].args[0] == 0:
            begun.set()
        return [job.args[0] for job in jobs]

    async def endless_async(jobs: list[CurrentJob]) -> list[int]:
        if jobs[0].args[0] == 0:
            await asyncio.sleep(60)
        return endless(jobs)

    app.task("batch", batch=10)(endless if request.param is Threads else endless_async)
    runner = Runner(app, "w1")
    hands = request.param(1, runner, lambda stint, settled: ended.put(settled))
    yield hands, runner, ended
    hands.close()


@pytest.mark.parametrize(("first", "limit", "way"), [(1, None, "s"), (0, 5.0, "r"), (0, None, "c")])
def test_one_hand_runs_all_of_them(
    hands: tuple[Hands, Runner, SimpleQueue[list[Settlement]]], first: int, limit: float | None, way: str
) -> None:
    one, runner, ended = hands
    lanes = Lanes(1)
    together = Together(runner, [job(first), job(2)])
    stint = Stint(together.last, together.limits, lanes.lanes[0], together)
    stint.announce()
    assert [(running.job_id, running.jobs) for running in lanes.all_running()] == [("default.j2", 2)]
    one.start(stint)
    if way != "s":
        wait_until(lambda: stint._interrupt)
        stint.stop(limit)
    settled = ended.get(timeout=5.0)
    assert [(one.job.id, one.way) for one in settled] == [(b"j%d" % first, way), (b"j2", way)]
    assert lanes.all_running() == []
    lanes.close()
