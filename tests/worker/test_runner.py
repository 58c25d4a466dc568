"""One job at a time: whatever it does, a settlement comes back, and the next job runs as if nothing had been."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import msgspec
import pytest

from redisq import JSON, CurrentJob, NoCurrentJob, RedisQ, current_job
from redisq.claimed import Claimed, Settlement, Source
from redisq.settings import Settings
from redisq.worker.runner import Runner

NOWHERE = "redis://127.0.0.1:1/0"
SOURCE = Source("default", "redisq:{default}:")


@pytest.fixture
def app() -> RedisQ:
    return RedisQ(NOWHERE, patience=0.0)


def claimed(task: str | bytes, *args: Any, **changes: Any) -> Claimed:
    """A job as it comes from the server."""
    name = task if isinstance(task, bytes) else task.encode()
    fields: dict[str, Any] = {
        "source": SOURCE,
        "id": b"j1",
        "delivery": 1,
        "version": b"1",
        "task": name,
        "body": msgspec.json.encode([args, {}]),
        "options": None,
        "enqueued": b"1700000000000",
        "attempts": None,
        "postponed": None,
        "feed": None,
    }
    return Claimed(**(fields | changes))


def run(app: RedisQ, job: Claimed) -> Settlement:
    """Run one job, and see that the runner is still good for another."""
    if "probe" not in app.tasks:
        app.task("probe")(lambda: "fine")
    runner = Runner(app, "w1")
    try:
        settlement = runner.run(job, runner.options(job))
        probe = claimed("probe")
        after = runner.run(probe, runner.options(probe))
    finally:
        runner.close()
    assert (after.way, after.text) == ("s", b'"fine"')
    with pytest.raises(NoCurrentJob):
        current_job()
    assert settlement.job == job
    return settlement


def text_of(settlement: Settlement) -> str:
    text = settlement.text
    return text.decode() if isinstance(text, bytes) else text.encode().decode()


def test_a_result_is_json_and_keeps_its_ttl(app: RedisQ) -> None:
    app.task("t", result_ttl=7.5)(lambda a, b: {"sum": a + b})
    settlement = run(app, claimed("t", 1, 2))
    assert (settlement.way, settlement.text, settlement.ms) == ("s", b'{"sum":3}', 7500)


def test_a_coroutine_runs_to_its_end(app: RedisQ) -> None:
    @app.task("t")
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    assert run(app, claimed("t", 4)).text == b"8"


def test_each_coroutine_sees_its_own_job(app: RedisQ) -> None:
    @app.task("t")
    async def who() -> str:
        await asyncio.sleep(0)
        return current_job().id

    runner = Runner(app, "w1")
    jobs = [claimed("t", id=name) for name in (b"first", b"second", b"third")]
    seen = [runner.run(job, runner.options(job)).text for job in jobs]
    runner.close()
    assert seen == [b'"default.first"', b'"default.second"', b'"default.third"']


def test_what_a_coroutine_sets_in_its_context_is_gone_with_it(app: RedisQ) -> None:
    variable = contextvars.ContextVar("variable", default="clean")

    @app.task("t")
    async def touch() -> str:
        before = variable.get()
        variable.set("dirty")
        return before

    runner = Runner(app, "w1")
    job = claimed("t")
    seen = [runner.run(job, runner.options(job)).text for _ in range(2)]
    runner.close()
    assert seen == [b'"clean"', b'"clean"']


def test_a_failure_is_retried_with_a_delay_that_doubles(app: RedisQ) -> None:
    @app.task("t", max_attempts=4, backoff=0.5)
    def fail() -> None:
        raise ValueError("no")

    ways = [run(app, claimed("t", attempts=n)) for n in (None, b"1", b"2", b"3")]
    assert [(way.way, way.text, way.ms) for way in ways] == [
        ("r", ways[0].text, 500),
        ("r", ways[0].text, 1000),
        ("r", ways[0].text, 2000),
        ("f", ways[0].text, 0),
    ]
    assert text_of(ways[0]) == "ValueError: no"


def test_options_of_the_call_go_over_those_of_the_task(app: RedisQ) -> None:
    @app.task("t", max_attempts=1)
    def fail() -> None:
        raise ValueError("no")

    assert run(app, claimed("t", options=b'{"max_attempts":2}')).way == "r"
    assert run(app, claimed("t", options=b"\xff garbage")).way == "f"
    assert run(app, claimed("t", options=b'{"max_attempts":"many"}')).way == "f"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Odd(BaseException):
    """No Exception: as a library's own cancellation may be."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("plain"),
        ValueError(b"\xff".decode("utf-8", "surrogateescape")),
        ValueError("\ud800"),
        ValueError("x" * 1_000_000),
        ValueError(),
        Unprintable(),
        Odd("odd"),
        SystemExit(3),
        SystemExit(),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(1),
        asyncio.CancelledError(),
        RecursionError(),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_whatever_is_raised_is_the_jobs_failure(app: RedisQ, error: BaseException, is_async: bool) -> None:
    def fail() -> None:
        raise error

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise error

    app.task("t")(fail_later if is_async else fail)
    settlement = run(app, claimed("t"))
    assert settlement.way == "r"
    assert 0 < len(text_of(settlement)) <= 9000


def test_a_recursion_without_end_is_a_failure(app: RedisQ) -> None:
    def dive(n: int) -> int:
        return dive(n + 1)

    app.task("t")(dive)
    assert text_of(run(app, claimed("t", 0))).startswith("RecursionError")


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "result",
    [object(), {1, object()}, "\ud800", endless(), {(1, 2): 3}, lambda: 0, sys, iter([1])],
    ids=["object", "set", "surrogate", "endless", "tuple-key", "function", "module", "iterator"],
)
def test_a_result_that_is_not_json_fails_for_good(app: RedisQ, result: Any) -> None:
    app.task("t", max_attempts=5)(lambda: result)
    settlement = run(app, claimed("t"))
    assert settlement.way == "f"
    assert "result" in text_of(settlement)


def test_a_result_that_is_too_large_fails_for_good(app: RedisQ) -> None:
    app.task("t")(lambda: "x" * 5_000_000)
    settlement = run(app, claimed("t"))
    assert settlement.way == "f"
    assert "bytes" in text_of(settlement)


def test_a_codec_that_breaks_does_not_break_the_worker() -> None:
    class Broken(JSON):
        def encode(self, value: Any) -> bytes:
            if value == "fine":
                return super().encode(value)
            raise RuntimeError("disk on fire")

    app = RedisQ(NOWHERE, codec=Broken())
    app.task("t")(lambda: 1)
    settlement = run(app, claimed("t"))
    assert settlement.way == "f"
    assert "disk on fire" in text_of(settlement)


@pytest.mark.parametrize(
    "body",
    [b"", None, b"\xff\x00", b"{", b"null", b"[]", b"[[]]", b"[{},[]]", b"[[],{},1]", b"[" * 100_000, b'[[],{"":1}]'],
    ids=lambda body: repr(body)[:12],
)
def test_arguments_that_are_not_a_call_fail_for_good(app: RedisQ, body: bytes | None) -> None:
    app.task("t", max_attempts=1)(lambda: "ran")
    assert run(app, claimed("t", body=body)).way == "f"


@pytest.mark.parametrize("args", [(1,), (1, 2, 3)])
def test_a_wrong_number_of_arguments_is_a_failure(app: RedisQ, args: tuple[int, ...]) -> None:
    app.task("t")(lambda a, b: None)
    settlement = run(app, claimed("t", *args))
    assert settlement.way == "r"
    assert "TypeError" in text_of(settlement)


@pytest.mark.parametrize("task", [b"", b"os.system", b"builtins.eval", b"\xff\xfe", "имя".encode()])
def test_a_name_that_is_not_registered_waits_and_is_never_imported(app: RedisQ, task: bytes) -> None:
    settlement = run(app, claimed(task or b"", "exit 1"))
    assert settlement.way == "p"
    assert settlement.ms == 1000
    text_of(settlement)


def test_waiting_for_a_worker_that_knows_has_an_end(app: RedisQ) -> None:
    waits = [run(app, claimed("nobody", postponed=str(n).encode())) for n in range(13)]
    assert [wait.way for wait in waits] == ["p"] * 12 + ["f"]
    assert [wait.ms for wait in waits[:3]] == [1000, 2000, 4000]
    assert sum(wait.ms for wait in waits) / 1000 > 900


def test_who_is_not_understood_is_told_of_once_at_each_end(app: RedisQ, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(13):
        run(app, claimed("nobody", postponed=str(n).encode()))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [warning.split()[0] for warning in warnings] == ["job.postponed", "job.dead"]
    assert "no task 'nobody' is registered" in warnings[0]


def test_a_newer_wire_waits_whatever_its_task(app: RedisQ) -> None:
    app.task("t")(lambda: "ran")
    assert run(app, claimed("t", version=b"2")).way == "p"


def test_the_job_can_ask_who_it_is(app: RedisQ) -> None:
    @app.task("t")
    def who(*args: int) -> dict[str, Any]:
        job = current_job()
        assert isinstance(job, CurrentJob)
        return {"id": job.id, "queue": job.queue, "task": job.task, "attempt": job.attempt, "token": job.token}

    settlement = run(app, claimed("t", attempts=b"1", delivery=3))
    assert msgspec.json.decode(settlement.text) == {
        "id": "default.j1",
        "queue": "default",
        "task": "t",
        "attempt": 2,
        "token": 1700000000000 << 20 | 3,
    }


def test_follow_ups_leave_with_success_only(app: RedisQ) -> None:
    other = app.task("other", queue="else")(lambda: None)

    def go(fails: bool) -> None:
        current_job().enqueue("here", 1)
        current_job().enqueue(other.options(job_id="fixed"), 2)
        if fails:
            raise ValueError("no")

    app.task("t")(go)
    assert not run(app, claimed("t", True)).follow
    follow = run(app, claimed("t", False)).follow
    assert follow[0] == 1
    assert b"fixed" in follow[1]
    assert b"here" in follow


@pytest.mark.parametrize(("count", "size"), [(1001, 1), (5, 1_000_000)])
def test_follow_ups_are_bounded(app: RedisQ, count: int, size: int) -> None:
    def go(count: int) -> None:
        for _ in range(count):
            current_job().enqueue("here", "x" * size)

    app.task("t")(go)
    assert "PayloadTooLarge" in text_of(run(app, claimed("t", count)))
    assert run(app, claimed("t", count - 1)).way == "s"


def test_progress_is_checked_before_it_is_sent(app: RedisQ) -> None:
    def go(done: Any, total: Any) -> None:
        current_job().set_progress(done, total)

    app.task("t")(go)
    for done, total in ((-1, 2), (1.5, 2), ("1", 2), (None, None)):
        assert "progress" in text_of(run(app, claimed("t", done, total)))


def test_settings_are_shared_not_copied(app: RedisQ) -> None:
    assert isinstance(app.settings, Settings)
    assert app.replace(lease=5.0).settings.server is not app.settings.server
    assert app.replace(lease=5.0).settings.lease == 5.0
