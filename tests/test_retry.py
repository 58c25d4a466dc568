"""When to try again."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import Backoff, InvalidOption, retry


def test_the_backoff_doubles_from_a_second_to_an_hour() -> None:
    assert [retry.backoff(n) for n in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert retry.backoff(13) == 3600.0
    assert retry.backoff(10**9) == 3600.0


@given(st.integers(1, 10**6), st.floats(0, 1e9))
def test_no_backoff_is_longer_than_an_hour_or_shorter_than_the_one_before(attempt: int, base: float) -> None:
    assert 0 <= retry.backoff(attempt, base) <= retry.backoff(attempt + 1, base) <= 3600.0


def test_no_backoff_is_no_wait() -> None:
    assert {retry.backoff(n, 0.0) for n in (1, 2, 50)} == {0.0}


def test_postponements_last_long_enough_for_a_deploy() -> None:
    waits = [retry.postponement(n) for n in range(retry.POSTPONEMENTS)]
    assert waits == sorted(waits)
    assert 15 * 60 < sum(waits) < 3 * 3600
    assert retry.postponement(10_000) == waits[-1]


def test_reconnecting_backs_off_with_jitter_and_a_bound() -> None:
    delays = list(islice(retry.reconnect_delays(longest=0.4), 50))
    assert 0.025 <= delays[0] <= 0.05
    assert all(0.0 < delay <= 0.4 for delay in delays)
    assert all(delay >= 0.2 for delay in delays[4:])
    assert len(set(delays)) > 40


def test_a_longest_wait_below_the_first_one_holds() -> None:
    assert max(islice(retry.reconnect_delays(longest=0.01), 1, 20)) <= 0.01


def test_a_schedule_repeats_its_last_delay() -> None:
    assert [retry.backoff(n, (1.0, 5.0, 7200.0)) for n in (1, 2, 3, 4, 1000)] == [1.0, 5.0, 7200.0, 7200.0, 7200.0]
    assert retry.backoff(3, (0.0,)) == 0.0


def test_a_backoff_of_ones_own() -> None:
    own = Backoff(first=2.0, factor=3.0, longest=50.0)
    assert [own.seconds(n) for n in range(1, 6)] == [2.0, 6.0, 18.0, 50.0, 50.0]
    assert [retry.backoff(n, Backoff()) for n in (1, 2, 3, 50)] == [1.0, 2.0, 4.0, 3600.0]


def test_jitter_is_full_and_only_there_when_asked_for() -> None:
    some = [Backoff(first=8.0, longest=16.0, jitter=True).seconds(n) for n in (1, 2, 3) for _ in range(200)]
    first, second, third = some[:200], some[200:400], some[400:]
    assert 0.0 <= min(first) < 1.0
    assert 7.0 < max(first) <= 8.0
    assert 15.0 < max(second) <= 16.0
    assert 15.0 < max(third) <= 16.0
    assert len(set(first)) > 100
    assert {Backoff(first=8.0).seconds(1) for _ in range(20)} == {8.0}


@given(st.integers(1, 10**6), st.floats(0, 1e9), st.floats(1, 1e9), st.floats(0, 1e9), st.booleans())
def test_no_delay_is_longer_than_the_longest(
    attempt: int, first: float, factor: float, longest: float, jitter: bool
) -> None:
    assert 0.0 <= Backoff(first, factor, longest, jitter).seconds(attempt) <= longest


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": -1},
        {"first": float("nan")},
        {"first": "1"},
        {"factor": 0.5},
        {"factor": True},
        {"longest": -1},
        {"longest": float("inf")},
        {"jitter": 1},
        {"jitter": None},
    ],
    ids=repr,
)
def test_a_backoff_that_makes_no_sense_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="backoff"):
        Backoff(**wrong)
