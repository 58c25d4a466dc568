"""Which jobs one call takes, and when it waits for more."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import Any

import msgspec
import pytest

from redisq import RedisQ
from redisq.claimed import Claimed, Source
from redisq.worker.batch import take_along
from redisq.worker.gathering import Gathering
from redisq.worker.runner import Runner

HIGH, LOW = Source("high", "redisq:{high}:"), Source("low", "redisq:{low}:")
app = RedisQ("redis://127.0.0.1:1/0", patience=0.0)
app.task("three", batch=3, linger=60.0)(lambda jobs: None)
app.task("brief", batch=3)(lambda jobs: None)
app.task("single", batch=1, linger=60.0)(lambda jobs: None)
app.task("other", batch=3)(lambda jobs: None)
app.task("plain")(lambda: None)


def job(name: str, task: str = "three", source: Source = LOW, **changes: Any) -> Claimed:
    fields = (1, b"1", task.encode(), b"[[],{}]", None, b"1700000000000", None, None, None)
    return msgspec.structs.replace(Claimed(source, name.encode(), *fields), **changes)


@pytest.fixture
def gathering() -> Gathering:
    return Gathering(Runner(app, "w1"), [HIGH, LOW])


def gather(gathering: Gathering, *jobs: Claimed) -> tuple[list[Claimed], list[Claimed]]:
    """What the first call takes, and what is behind it."""
    first, *rest = jobs
    waiting = deque(rest)
    return gathering.gather(first, partial(take_along, waiting)), list(waiting)


def test_a_full_call_is_made_at_once(gathering: Gathering) -> None:
    jobs = [job(name) for name in "abcd"]
    assert gather(gathering, *jobs) == (jobs[:3], jobs[3:])
    assert (gathering.carried, gathering.missing) == ([], 0)
    assert gather(gathering, job("a", "single")) == ([job("a", "single")], [])


@pytest.mark.parametrize(
    "behind",
    [
        job("c", "other"),
        job("c", "plain"),
        job("c", source=HIGH),
        job("c", marks=2),
        job("c", attempts=b"2"),
        job("c", attempts=b"1", options=b'{"max_attempts":2}'),
    ],
    ids=["another task", "no batch", "another queue", "suspect", "last attempt", "last attempt by its call"],
)
def test_what_does_not_go_with_it_ends_it(gathering: Gathering, behind: Claimed) -> None:
    a, b, d = map(job, "abd")
    assert gather(gathering, a, b, behind, d) == ([a, b], [behind, d])


@pytest.mark.parametrize("alone", [job("a", marks=2), job("a", attempts=b"2")], ids=["suspect", "last attempt"])
def test_some_run_alone_and_at_once(gathering: Gathering, alone: Claimed) -> None:
    assert gather(gathering, alone) == ([alone], [])
    assert gather(gathering, alone, job("b")) == ([alone], [job("b")])


def test_attempts_before_the_last_one_go_together(gathering: Gathering) -> None:
    jobs = [job("a"), job("b", attempts=b"1"), job("c", attempts=b"2", options=b'{"max_attempts":9}')]
    assert gather(gathering, *jobs) == (jobs, [])
    only = [job(name, options=b'{"max_attempts":1}') for name in "abc"]
    assert gather(gathering, *only) == (only, [])


def test_a_call_that_is_not_full_is_carried_until_it_is(gathering: Gathering) -> None:
    a, b, c, d = map(job, "abcd")
    assert gather(gathering, a) == ([], [])
    assert (gathering.carried, gathering.missing) == ([a], 2)
    assert 59.0 < gathering.left <= 60.0
    assert gathering.add([b]) == [a, b]
    assert gather(gathering, a, b) == ([], [])
    assert gathering.missing == 1
    assert gathering.add([]) == [a, b]
    assert gather(gathering, a, b) == ([], [])
    assert gathering.add([c, d]) == [a, b, c, d]
    assert gather(gathering, a, b, c, d) == ([a, b, c], [d])


def test_when_the_linger_is_over_what_is_there_runs(gathering: Gathering, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = map(job, "ab")
    gather(gathering, a)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61.0)
    assert gathering.left == 0.0
    gather(gathering, *gathering.add([b]))
    assert gathering.carried == [a, b]  # there was one more: perhaps there is another
    assert gather(gathering, *gathering.add([])) == ([a, b], [])


@pytest.mark.parametrize(("task", "hopeless"), [("three", True), ("brief", False)])
def test_who_does_not_linger_looks_once(gathering: Gathering, task: str, hopeless: bool) -> None:
    a, b = job("a", task), job("b", task)
    gather(gathering, a)
    assert gathering.carried == [a]
    assert gather(gathering, *gathering.add([], hopeless)) == ([a], [])
    assert gather(gathering, b) == ([], [])  # the next one looks for itself
    assert gathering.carried == [b]


def test_a_more_important_job_comes_first_and_the_linger_goes_on(gathering: Gathering) -> None:
    a, b, high = job("a"), job("b"), job("h", "plain", HIGH)
    gather(gathering, a)
    until = gathering._until
    assert gathering.add([high, b]) == [high, a, b]
    assert gather(gathering, a, b) == ([], [])
    assert gathering._until == until


def test_only_one_call_is_carried(gathering: Gathering) -> None:
    a, b = job("a"), job("b", "other")
    gather(gathering, a)
    assert gather(gathering, b) == ([b], [])
    assert gathering.carried == [a]
