"""Schedules: which ticks they have, and which of them are to be enqueued now. Pure functions of the time.

Ticks are whole ms since 1970 in UTC, as the server counts. A schedule's ticks follow from it alone: whoever asks, and
whenever, gets the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count, islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from .errors import InvalidOption
from .times import is_number

#: What becomes of ticks that passed while nobody was there to enqueue them.
CATCH_UPS = ("none", "last", "all")
#: Missed ticks that are made up for at most, the latest ones.
MOST_MISSED = 1000
#: Ticks that are enqueued in one call.
BATCH = 100
#: A tick so many ms ago is not missed but late: it is enqueued also where none is made up for.
LATE = 60_000

#: Characters of an expression.
LONGEST = 256
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Every(msgspec.Struct, frozen=True, tag="every"):
    """A tick every `ms`, counted from 1970: every worker knows them without asking."""

    ms: int

    @classmethod
    def parse(cls, interval: float | timedelta) -> Every:
        """InvalidOption unless it is a second to a year."""
        seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
        if not (is_number(seconds) and 1 <= seconds <= 366 * 86400):
            raise InvalidOption(f"every: seconds from 1 on, up to a year, not {interval!r}")
        return cls(round(seconds * 1000))

    def __str__(self) -> str:
        return f"every {self.ms / 1000:g} s"

    def ticks(self, after: int) -> Iterator[int]:
        """Those later than `after`, ascending."""
        return count((after // self.ms + 1) * self.ms, self.ms)


class Cron(msgspec.Struct, frozen=True, tag="cron"):
    """The ticks of a cron expression, of five fields, or six with seconds first, by the clocks of a time zone.

    As Debian's cron where the clocks change: if hour and minute are fixed (neither begins with `*`), a tick in the hour
    that is skipped comes right after it, and one in the hour that comes twice comes once, at the first. All other
    expressions, and those with seconds, go by what the clocks show: nothing in the skipped hour, twice in the other.
    """

    expression: str
    tz: str

    @classmethod
    def parse(cls, expression: str, tz: str) -> Cron:
        """InvalidOption if it is none or has no tick, if there is no such zone, or if cronsim is not installed."""
        schedule = cls(expression, tz)
        if next(schedule.ticks(0), None) is None:
            raise InvalidOption(f"a cron expression that never comes true: {expression!r:.100}")
        return schedule

    def __str__(self) -> str:
        return f"{self.expression} {self.tz}"

    def ticks(self, after: int) -> Iterator[int]:
        """Those later than `after`, ascending; it ends if none comes for 50 years."""
        for moment in _simulate(self.expression, datetime.fromtimestamp(after // 1000, _zone(self.tz))):
            tick = int(moment.timestamp()) * 1000
            if tick > after:  # one that was moved out of a skipped hour may meet another; one in a doubled may be past
                yield tick
                after = tick


Schedule = Every | Cron


class Plan(NamedTuple):
    """`ticks` to enqueue now, ascending, and when to plan `again` (None: there is no tick to come)."""

    ticks: list[int]
    again: int | None


def plan(schedule: Schedule, catch_up: str, last: int, now: int, lead: int) -> Plan:
    """What to do at `now`, if `last` is the latest tick that was enqueued, and the next one may be `lead` ms early.

    Never more than one tick ahead: of an entry that is gone from the code, at most one job is still to come.
    """
    ticks = latest(schedule, last, now, MOST_MISSED if catch_up == "all" else 1)
    if catch_up == "none":
        ticks = [tick for tick in ticks if now - tick < LATE]
    if len(ticks) > BATCH:
        return Plan(ticks[:BATCH], now)
    upcoming = next(schedule.ticks(now), None)
    if upcoming is None or upcoming - lead > now:
        return Plan(ticks, upcoming and upcoming - lead)
    return Plan(ticks + [upcoming] * (upcoming > last), upcoming)


def latest(schedule: Schedule, after: int, until: int, most: int) -> list[int]:
    """The last `most` ticks after `after`, up to and with `until`, ascending."""

    def some(start: int) -> list[int]:
        return list(islice(takewhile(lambda tick: tick <= until, schedule.ticks(start)), most + 1))

    if len(some(after)) > most:  # look for where there are just enough: an outage can have had millions
        few = until
        while few - after > 1000:
            middle = (after + few) // 2
            if len(some(middle)) > most:
                after = middle
            else:
                few = middle
        return list(takewhile(lambda tick: tick <= until, schedule.ticks(after)))[-most:]
    return some(after)


def _simulate(expression: str, start: datetime) -> Iterator[datetime]:
    """What cronsim makes of it: from `start` on, by the clocks."""
    try:
        import cronsim  # of an extra: who has no cron expressions does not need it
    except ImportError:
        raise InvalidOption("cron expressions need cronsim: pip install 'redisq-jobs[cron]'") from None
    if not isinstance(expression, str) or len(expression) > LONGEST:
        raise InvalidOption(f"not a cron expression: {expression!r:.100}")
    try:
        return cronsim.CronSim(ALIASES.get(expression.strip().lower(), expression), start)
    except cronsim.CronSimError as error:
        raise InvalidOption(f"not a cron expression: {expression!r:.100} ({error})") from None


def _zone(tz: str) -> tzinfo:
    if tz == "UTC":
        return UTC
    try:
        return ZoneInfo(tz)
    except (LookupError, ValueError, TypeError, OSError):
        raise InvalidOption(f"not a time zone: {tz!r:.80} (such as Europe/Berlin)") from None
