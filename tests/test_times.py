"""Durations and points in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import InvalidOption
from redisq.times import check_aware, is_seconds, moment, until

AWARE = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone.min]))


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), 1e10, "1", None, True, b"1", [1]])
def test_what_is_no_duration(wrong: Any) -> None:
    assert not is_seconds(wrong)


def test_seconds_are_whole_ms_from_now() -> None:
    assert (moment(0), moment(0.0004), moment(1.5), until(moment(1.5), 100)) == (0, 0, 1500, 1600)


@given(AWARE)
def test_a_time_is_never_earlier_than_it_says_and_less_than_a_ms_later(at: datetime) -> None:
    since_epoch = (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)
    ms = until(moment(at), since=12345)
    assert ms > 0
    if since_epoch > 1:
        assert 0 <= ms - since_epoch < 1.001


@given(st.integers(1, 4 * 10**12))
def test_a_time_in_whole_ms_is_exact(ms: int) -> None:
    assert moment(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)) == -ms


@pytest.mark.parametrize("at", [datetime.min, datetime.max])
def test_the_ends_of_time_can_be_said(at: datetime) -> None:
    assert moment(at.replace(tzinfo=UTC)) < 0


@pytest.mark.parametrize("wrong", [datetime(2030, 1, 1), 5.0, "2030", None, datetime(2030, 1, 1).date()])
def test_a_time_without_a_zone_is_none(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="at: "):
        check_aware(wrong, "at")
