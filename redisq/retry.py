"""When to try again: pure functions of how often it was tried."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

_random = random.Random()  # not the module's own, whose sequence is the application's
os.register_at_fork(after_in_child=_random.seed)

#: A failed attempt is tried again after this many seconds, doubling…
BACKOFF = 1.0
#: … up to an hour.
LONGEST = 3600.0

#: How often a job waits for a worker that knows its task or its wire version: half an hour or so, which deploys
#: overlap.
POSTPONEMENTS = 12
_LONGEST_POSTPONEMENT = 300.0


def backoff(attempt: int, base: float = BACKOFF) -> float:
    """Seconds until the next attempt, when attempt number `attempt` (from 1) has failed."""
    return min(base * 2.0 ** min(attempt - 1, 40), LONGEST)


def postponement(count: int) -> float:
    """Seconds to wait, when a job was postponed `count` times before."""
    return min(BACKOFF * 2.0 ** min(count, 40), _LONGEST_POSTPONEMENT)


def reconnect_delays(longest: float) -> Iterator[float]:
    """Seconds to wait between attempts to reach a server: from 50 ms, doubling, up to `longest`, with full jitter above
    half.
    """
    delay = 0.05
    while True:
        yield delay * _random.uniform(0.5, 1.0)
        delay = min(delay * 2, longest)
