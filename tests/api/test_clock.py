"""Times are microseconds inside and RFC 3339 outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from redisq_api import clock


def test_rfc3339() -> None:
    assert clock.rfc3339(1_767_225_600_000_042) == "2026-01-01T00:00:00.000042Z"
    assert clock.rfc3339(None) is None


def test_micros() -> None:
    moment = datetime(2026, 1, 1, 2, 0, 0, 42, timezone(timedelta(hours=2)))
    assert clock.micros(moment) == 1_767_225_600_000_042
    assert clock.micros(None) is None


def test_now_is_now() -> None:
    told = clock.rfc3339(clock.now())
    assert told is not None
    assert abs(datetime.fromisoformat(told) - datetime.now(UTC)) < timedelta(seconds=5)
