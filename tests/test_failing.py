"""What a failed attempt becomes: the task's own rules, and what the error itself asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from redisq import Backoff, GiveUp, InvalidOption, RedisQ, Retry
from redisq.claimed import Settlement
from redisq.worker.runner import Runner
from tests.worker.test_runner import claimed


@pytest.fixture
def app() -> RedisQ:
    return RedisQ("redis://127.0.0.1:1/0", patience=0.0)


def failing(app: RedisQ, error: BaseException, call: bytes | None = None, attempts: int = 0, **options: Any) -> Any:
    """How a job of a task with these options is settled that raises this error; and of the same task in a copy."""

    def fail() -> None:
        raise error

    app.task("t", **options)(fail)
    settlements = [run(one, call, attempts) for one in (app, app.replace(lease=5.0))]
    assert settlements[0][1:4] == settlements[1][1:4]
    return settlements[0]


def run(app: RedisQ, call: bytes | None, attempts: int) -> Settlement:
    runner = Runner(app, "w1")
    job = claimed("t", options=call, attempts=b"%d" % attempts)
    settlement = runner.run(job, runner.options(job))
    runner.close()
    return settlement


@pytest.mark.parametrize(
    ("options", "error", "way"),
    [
        ({"retry_on": (OSError,)}, ConnectionError("no"), "r"),
        ({"retry_on": OSError}, ConnectionError("no"), "r"),
        ({"retry_on": [OSError, LookupError]}, KeyError("no"), "r"),
        ({"retry_on": (OSError,)}, ValueError("no"), "f"),
        ({"retry_on": ()}, ValueError("no"), "f"),
        ({"retry_on": (OSError,)}, SystemExit(1), "f"),
        ({"retry_on": (SystemExit,)}, SystemExit(1), "r"),
        ({"give_up_on": (ValueError,)}, UnicodeError("no"), "f"),
        ({"give_up_on": (ValueError,)}, OSError("no"), "r"),
        ({"give_up_on": ()}, OSError("no"), "r"),
        ({"retry_on": (OSError,), "give_up_on": (FileNotFoundError,)}, FileNotFoundError("no"), "f"),
        ({"retry_on": (OSError,), "give_up_on": (FileNotFoundError,)}, TimeoutError("no"), "r"),
        ({}, GiveUp("no use"), "f"),
        ({"retry_on": (GiveUp,)}, GiveUp("no use"), "f"),
        ({}, Retry(), "r"),
        ({"retry_on": ()}, Retry(), "r"),
        ({"give_up_on": (Exception,)}, Retry(), "r"),
        ({"max_attempts": 1}, Retry(), "f"),
    ],
)
def test_types_of_errors_decide_whether_it_is_tried_again(
    app: RedisQ, options: dict[str, Any], error: BaseException, way: str
) -> None:
    assert failing(app, error, **options).way == way


@pytest.mark.parametrize("wrong", [5, "OSError", (OSError, "x"), (object,), OSError("no"), {"a": OSError}])
@pytest.mark.parametrize("name", ["retry_on", "give_up_on"])
def test_what_is_no_type_of_errors_is_refused(app: RedisQ, name: str, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match=name):
        app.task("t", **{name: wrong})


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (0.5, [500, 1000, 2000]),
        ([1.0, 30.0], [1000, 30_000, 30_000]),
        (Backoff(first=1.0, factor=10.0, longest=60.0), [1000, 10_000, 60_000]),
        (lambda attempt, error: attempt * 1.5 + len(str(error)), [3500, 5000, 6500]),
    ],
)
def test_every_kind_of_backoff(app: RedisQ, backoff: Any, delays: list[int]) -> None:
    seen = [
        failing(
            RedisQ(app.settings.server.url, patience=0.0), OSError("no"), attempts=n, backoff=backoff, max_attempts=9
        )
        for n in range(3)
    ]
    assert [settlement.ms for settlement in seen] == delays


@pytest.mark.parametrize(
    ("call", "ms"),
    [
        (b'{"backoff":4.0}', 4000),
        (b'{"backoff":[5.0,6.0]}', 5000),
        (b'{"backoff":{"first":7.0}}', 7000),
        (b'{"max_attempts":5}', 9000),
        (b'{"backoff":[]}', 9000),
        (b'{"backoff":{"first":-1}}', 9000),
        (b'{"backoff":-1}', 9000),
    ],
)
def test_what_a_call_gives_goes_over_the_tasks_function(app: RedisQ, call: bytes, ms: int) -> None:
    assert failing(app, OSError("no"), call, backoff=lambda attempt, error: 9.0).ms == ms


def broken(attempt: int, error: BaseException) -> float:
    raise RuntimeError("disk on fire")


@pytest.mark.parametrize("backoff", [broken, lambda attempt, error: "soon", lambda attempt, error: -1.0, lambda: 1.0])
def test_a_function_that_breaks_leaves_the_usual_delay(
    app: RedisQ, backoff: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert failing(app, OSError("no"), backoff=backoff).ms == 1000
    assert "task.backoff_broken task=t" in caplog.text


def test_a_function_is_not_asked_when_no_attempt_is_left(app: RedisQ) -> None:
    asked: list[int] = []
    failing(app, OSError("no"), attempts=2, backoff=lambda attempt, error: asked.append(attempt) or 0.0)
    assert asked == []


@pytest.mark.parametrize(("error", "ms"), [(Retry(in_=7.0), 7000), (Retry(0, "at once"), 0), (Retry(), 2000)])
def test_who_asks_for_it_is_tried_again_when_he_says(app: RedisQ, error: Retry, ms: int) -> None:
    settlement = failing(app, error, backoff=2.0)
    assert (settlement.way, settlement.ms) == ("r", ms)


def test_a_retry_that_is_asked_for_counts(app: RedisQ) -> None:
    settlement = failing(app, Retry(in_=1.0, reason="rate limit"), attempts=2, max_attempts=3)
    assert (settlement.way, settlement.text) == ("f", b"Retry: rate limit")


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "5", 1e10])
def test_a_retry_at_no_time_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="in_"):
        Retry(in_=wrong)


def test_a_traceback_begins_with_the_jobs_own_code(app: RedisQ) -> None:
    @app.task("plain")
    def fail() -> None:
        raise ValueError("here")

    @app.task("later")
    async def fail_later() -> None:
        fail()

    for task in ("plain", "later"):
        runner = Runner(app, "w1")
        job = claimed(task)
        text = runner.run(job, runner.options(job)).trace.decode()
        runner.close()
        assert "runner.py" not in text
        assert "asyncio" not in text
        assert 'raise ValueError("here")' in text
        assert text.endswith("ValueError: here\n")
