"""The service's times: whole microseconds since the epoch, as the database keeps them."""

import time
from datetime import UTC, datetime
from functools import lru_cache

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
    seconds, micros = divmod(moment, SECOND)
    return f"{_to_the_second(seconds)}.{micros:06}Z"


# The times of a list, and of the next answer about the same tasks, are mostly of the same few seconds.
@lru_cache(maxsize=1000)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
