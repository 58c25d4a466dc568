"""Durations and points in time as callers give them, and as the scripts read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import InvalidOption

#: Longer is no duration that anybody means, in seconds.
LONGEST = 1e9

_EPOCH = datetime.fromtimestamp(0, UTC)
_MS = timedelta(milliseconds=1)


def as_datetime(ms: float) -> datetime:
    """A time as the server has it, for people: aware, in UTC. ValueError, OverflowError or OSError beyond calendars."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def server_ms(reply: Sequence[bytes]) -> int:
    """The server's answer to TIME, in ms."""
    seconds, microseconds = map(int, reply)
    return seconds * 1000 + microseconds // 1000


def is_number(value: Any) -> bool:
    """Whether it can be a number of seconds; NaN is for the caller's bounds to refuse."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_seconds(value: Any, least: float = 0.0) -> bool:
    """Whether it is a duration of at least so many seconds."""
    return is_number(value) and least <= value <= LONGEST


def check_aware(value: Any, name: str) -> datetime:
    """The same, if it is a datetime that says its zone; InvalidOption otherwise."""
    if not isinstance(value, datetime):
        raise InvalidOption(f"{name}: a datetime with a zone, not {value!r}")
    if value.utcoffset() is None:
        raise InvalidOption(f"{name}: a datetime without a zone may mean any of a day's times: {value!r}")
    return value


def moment(value: float | datetime) -> int:
    """Seconds from now or an aware datetime, in ms, as the scripts have it: a negative number is the time itself."""
    if isinstance(value, datetime):
        return -max(1, -((_EPOCH - value) // _MS))  # rounded up: nothing begins before its time
    return int(value * 1000)


def until(moment: int, since: int) -> int:
    """What a moment is as a time, if it was said at the time `since`, in ms."""
    return -moment if moment < 0 else since + moment
