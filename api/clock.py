"""The service's times: whole microseconds since the epoch, as the database keeps them."""

import time
from datetime import UTC, datetime

SECOND = 1_000_000


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
    return (
        datetime.fromtimestamp(moment // SECOND, UTC)
        .replace(microsecond=moment % SECOND, tzinfo=None)
        .isoformat(timespec="microseconds")
        + "Z"
    )
