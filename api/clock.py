"""The service's times: whole microseconds since the epoch, as the database keeps them."""

import time
from datetime import datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1)  # in UTC, as all of them; without a zone, it adds up faster


def now() -> int:
    """Now, in microseconds since the epoch."""
    return time.time_ns() // 1000


def micros(moment: datetime | None) -> int | None:
    """An aware datetime as microseconds since the epoch."""
    return None if moment is None else round(moment.timestamp() * SECOND)


def rfc3339(moment: int | None) -> str | None:
    """Microseconds since the epoch as `2026-01-31T12:00:00.123456Z`."""
    if moment is None:
        return None
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(timespec="microseconds") + "Z"
