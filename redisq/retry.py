"""When to try again: pure functions of how often it was tried."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from .errors import InvalidOption
from .times import is_number, is_seconds

_random = random.Random()  # not the module's own, whose sequence is the application's
os.register_at_fork(after_in_child=_random.seed)

#: A failed attempt is tried again after this many seconds, doubling…
BACKOFF = 1.0
#: … up to an hour.
LONGEST = 3600.0
#: The most delays that a schedule may list.
LONGEST_SCHEDULE = 100

#: How often a job waits for a worker that knows its task or its wire version: half an hour or so, which deploys
#: overlap.
POSTPONEMENTS = 12
_LONGEST_POSTPONEMENT = 300.0


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds between attempts: `first`, then `factor` times as long each time, `longest` at most.

    `jitter`: anything from 0 to that, by chance, so that jobs which failed together do not come back together.
    InvalidOption.
    """

    first: float = BACKOFF
    factor: float = 2.0
    longest: float = LONGEST
    jitter: bool = False

    def __post_init__(self) -> None:
        for name, least in (("first", 0.0), ("factor", 1.0), ("longest", 0.0)):
            if not is_seconds(value := getattr(self, name), least):
                raise InvalidOption(f"{name} of a backoff: a number from {least:g} on, not {value!r}")
        if not isinstance(self.jitter, bool):
            raise InvalidOption(f"jitter of a backoff: True or False, not {self.jitter!r}")

    def seconds(self, attempt: int) -> float:
        """Until the next attempt, when attempt number `attempt` (from 1) has failed."""
        try:
            delay = min(self.first * self.factor ** (attempt - 1), self.longest)
        except OverflowError:
            delay = self.longest if self.first else 0.0
        return _random.uniform(0.0, delay) if self.jitter else delay


#: The seconds until the second attempt, doubling from there, up to an hour; each delay by itself, the last of which
#: repeats; or a Backoff.
Schedule = float | tuple[float, ...] | Backoff


def check(schedule: Any) -> None:
    """InvalidOption if it is no Schedule."""
    if isinstance(schedule, Backoff) or is_seconds(schedule):
        return
    if is_number(schedule) or not isinstance(schedule, list | tuple):
        raise InvalidOption(f"backoff: seconds from 0 on, a list of such, or a redisq.Backoff, not {schedule!r}")
    if not (0 < len(schedule) <= LONGEST_SCHEDULE and all(map(is_seconds, schedule))):
        raise InvalidOption(f"backoff: a list of 1 to {LONGEST_SCHEDULE} delays in seconds, not {schedule!r:.200}")


def backoff(attempt: int, schedule: Schedule = BACKOFF) -> float:
    """Seconds until the next attempt, when attempt number `attempt` (from 1) has failed."""
    if isinstance(schedule, Sequence):
        return schedule[min(attempt, len(schedule)) - 1]
    return (schedule if isinstance(schedule, Backoff) else Backoff(schedule)).seconds(attempt)


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
