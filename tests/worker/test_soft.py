"""A job that runs longer than its soft limit is told where it is, once, and may end as it likes."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from redisq import RedisQ, SoftTimeout
from redisq.claimed import Settlement
from redisq.worker.runner import Runner
from redisq.worker.soft import SoftLimit
from tests.waiting import wait_until

from .test_runner import claimed

#: So long a job would run that is not told.
LONG = 30.0


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0", patience=0.0)


@pytest.fixture
def runner(app: RedisQ) -> Iterator[Runner]:
    """With the handler that a child has."""
    runners: list[Runner] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: runners[0].look_at_clock())
    runners.append(Runner(app, "w1"))
    app.task("probe")(lambda: "fine")
    runners[0]._known |= Runner(app, "w1")._known
    yield runners[0]
    runners[0].close()
    signal.signal(signal.SIGUSR1, before)


def run(app: RedisQ, runner: Runner, name: str = "t", **changes: Any) -> Settlement:
    runner._known |= Runner(app, "w1")._known
    job = claimed(name, **changes)
    began = time.monotonic()
    settlement = runner.run(job, runner.options(job))
    assert time.monotonic() - began < LONG / 2
    probe = claimed("probe")
    assert runner.run(probe, runner.options(probe)).text == b'"fine"'
    return settlement


def sleep_on() -> None:
    time.sleep(LONG)


def count_on() -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        pass


def wait_on() -> None:
    threading.Event().wait(LONG)


@pytest.mark.parametrize("job", [sleep_on, count_on, wait_on])
def test_it_is_a_failed_attempt_if_the_job_lets_it_go_up(app: RedisQ, runner: Runner, job: Any) -> None:
    app.task("t", soft_timeout=0.05)(job)
    settlement = run(app, runner)
    assert (settlement.way, settlement.text) == ("r", b"SoftTimeout: it ran longer than 0.05 s")
    assert job.__name__ in settlement.trace.decode()


def test_the_job_may_clean_up_and_return(app: RedisQ, runner: Runner) -> None:
    @app.task("t", soft_timeout=0.05)
    def polite() -> str:
        try:
            time.sleep(LONG)
        except SoftTimeout:
            time.sleep(0.2)  # it is told once
            return "what there was"
        return "never"

    settlement = run(app, runner)
    assert (settlement.way, settlement.text) == ("s", b'"what there was"')


def test_a_task_can_say_that_it_is_not_to_be_tried_again(app: RedisQ, runner: Runner) -> None:
    app.task("t", soft_timeout=0.05, give_up_on=(SoftTimeout,))(sleep_on)
    assert run(app, runner).way == "f"


def test_a_job_that_is_quick_hears_nothing_and_nor_does_the_next(app: RedisQ, runner: Runner) -> None:
    app.task("quick", soft_timeout=0.1)(lambda: "quick")
    app.task("t")(lambda: time.sleep(0.3))
    assert run(app, runner, "quick").way == "s"
    assert run(app, runner).way == "s"


def test_a_call_has_a_limit_of_its_own_and_the_sooner_comes_first(app: RedisQ, runner: Runner) -> None:
    app.task("t", soft_timeout=60.0)(sleep_on)
    assert run(app, runner, options=b'{"soft_timeout":0.05}').text == b"SoftTimeout: it ran longer than 0.05 s"


@pytest.mark.parametrize("seconds", [0.001, 0.002, 0.005])
def test_a_limit_that_is_over_at_once_is_seen(app: RedisQ, runner: Runner, seconds: float) -> None:
    app.task("t", soft_timeout=seconds)(sleep_on)

    @app.task("later", soft_timeout=seconds)
    async def later() -> None:
        await asyncio.sleep(LONG)

    for name in ("t", "later"):
        for _ in range(20):
            assert b"SoftTimeout" in bytes(run(app, runner, name).text)


# Coroutines


def test_a_coroutine_may_let_it_go_up(app: RedisQ, runner: Runner) -> None:
    @app.task("t", soft_timeout=0.05)
    async def nap() -> None:
        await asyncio.sleep(LONG)

    settlement = run(app, runner)
    assert (settlement.way, settlement.text) == ("r", b"SoftTimeout: it ran longer than 0.05 s")
    assert "in nap" in settlement.trace.decode()


@pytest.mark.parametrize("kind", [SoftTimeout, asyncio.CancelledError, Exception])
def test_a_coroutine_may_clean_up_and_return(app: RedisQ, runner: Runner, kind: type[BaseException]) -> None:
    @app.task("t", soft_timeout=0.05)
    async def polite() -> str:
        try:
            await asyncio.sleep(LONG)
        except kind:
            async with asyncio.timeout(5.0):
                await asyncio.sleep(0.2)
            return "what there was"
        return "never"

    assert run(app, runner).text == b'"what there was"'


def test_what_a_coroutine_waits_for_is_ended_with_it(app: RedisQ, runner: Runner) -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            ended.append(name)
            raise

    @app.task("group", soft_timeout=0.05)
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child("a"))
            tasks.create_task(child("b"))

    @app.task("gather", soft_timeout=0.05)
    async def gather() -> None:
        await asyncio.gather(child("c"), child("d"))

    @app.task("wait", soft_timeout=0.05)
    async def wait() -> None:
        await asyncio.wait_for(child("e"), LONG)

    for name in ("group", "gather", "wait"):
        assert run(app, runner, name).text == b"SoftTimeout: it ran longer than 0.05 s", name
    assert sorted(ended) == ["a", "b", "c", "d", "e"]


def test_a_time_out_of_the_jobs_own_works_under_a_limit(app: RedisQ, runner: Runner) -> None:
    @app.task("t", soft_timeout=20.0)
    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(LONG)
        except TimeoutError:
            return "its own"
        return "never"

    assert run(app, runner).text == b'"its own"'


def test_a_cancelled_coroutine_is_cancelled_and_no_soft_timeout(app: RedisQ, runner: Runner) -> None:
    seen: list[str] = []

    @app.task("t", soft_timeout=20.0)
    async def nap() -> None:
        asyncio.get_running_loop().call_later(0.05, runner.stop)
        try:
            await asyncio.sleep(LONG)
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    assert run(app, runner).text == "cancelled"
    assert seen == ["CancelledError"]


# The thread


def test_the_thread_reminds_once_per_limit_and_of_the_sooner_one() -> None:
    reminded: list[float] = []
    limit = SoftLimit(lambda: reminded.append(time.monotonic()))
    assert not limit.is_set
    limit.begin(LONG)
    limit.end()
    began = time.monotonic()
    for _ in range(3):
        limit.begin(0.05)
        count = len(reminded)
        wait_until(lambda count=count: len(reminded) > count)  # type: ignore[misc]
        assert limit.is_over()
        limit.end()
        assert not limit.is_over()
    assert len(reminded) == 3
    assert reminded[0] - began >= 0.05
    limit.begin(0.05)
    limit.end()
    limit.begin(0.2)
    wait_until(lambda: len(reminded) == 4)
    assert limit.is_over()


def test_no_thread_is_started_for_nothing() -> None:
    before = threading.active_count()
    limit = SoftLimit(lambda: None)
    limit.end()
    assert (threading.active_count(), limit.is_over()) == (before, False)


def test_who_did_not_hear_it_is_told_again_until_the_limit_has_ended() -> None:
    told: list[float] = []
    limit = SoftLimit(lambda: told.append(time.monotonic()))
    limit.begin(0.01)
    wait_until(lambda: len(told) >= 3)
    limit.end()
    limit.begin(LONG)  # the thread has seen the end by the time that it is notified of this
    count = len(told)
    limit.begin(0.01)
    wait_until(lambda: len(told) > count + 1)
    limit.end()
