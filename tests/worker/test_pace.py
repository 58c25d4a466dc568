"""How many jobs are claimed at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redisq.worker.pace import LARGEST, TARGET, Pace


def test_the_first_claim_takes_one() -> None:
    assert Pace().budget == 1


def test_tiny_jobs_are_claimed_by_the_hundred_soon() -> None:
    pace = Pace()
    budgets = []
    for _ in range(6):
        pace.note(pace.budget, pace.budget * 10e-6)
        budgets.append(pace.budget)
    assert budgets[:3] == [8, 64, 499]
    assert min(budgets[3:]) >= 499
    assert all(later <= 8 * earlier for earlier, later in zip([1, *budgets], budgets, strict=False))


def test_slow_jobs_are_claimed_one_at_a_time() -> None:
    pace = Pace()
    pace.note(1, 1.0)
    assert pace.budget == 1


def test_one_slow_batch_brings_it_down_at_once() -> None:
    pace = Pace()
    for _ in range(10):
        pace.note(pace.budget, pace.budget * 1e-6)
    assert pace.budget == LARGEST
    pace.note(1, 0.5)
    assert pace.budget == 1


def test_after_a_slow_job_it_takes_a_while_to_trust_again() -> None:
    pace = Pace()
    pace.note(1, 1.0)
    claims = 0
    while pace.budget < 50:
        pace.note(pace.budget, pace.budget * 10e-6)
        claims += 1
    assert claims > 5


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1e6)), max_size=50))
def test_whatever_is_measured_it_stays_within_its_bounds(measured: list[tuple[int, float]]) -> None:
    pace = Pace()
    for jobs, seconds in measured:
        pace.note(jobs, seconds)
        assert 1 <= pace.budget <= LARGEST
        assert pace.budget == 1 or pace.budget * seconds / jobs <= TARGET * 1.01
