"""When to try again."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from redisq import retry


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
