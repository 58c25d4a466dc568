"""Rates that all processes keep together: how much, per name, in the database.

Each name has one number: the moment at which its debt is paid off. Every count moves it on by the time in which one is
earned, so a rate of N per window lets N through at once, and then one as each is earned, without a boundary at which
twice as many would pass. Counting does not wait for the disk: a power cut forgives some debt.
"""

import hashlib
import math
from dataclasses import dataclass

from . import clock
from .database import Database, places

_DEBT = "CASE WHEN meter.empty_at > ? THEN meter.empty_at ELSE ? END + ?"
_COUNT = " ".join(
    ("INSERT INTO meter (name, empty_at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET empty_at =", _DEBT)
)
_TAKE = " ".join((_COUNT, "WHERE meter.empty_at <= ? RETURNING empty_at"))


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in every `seconds`."""

    count: int
    seconds: int

    @property
    def step(self) -> int:
        """Microseconds in which one is earned."""
        return max(1, self.seconds * clock.SECOND // self.count)

    @property
    def room(self) -> int:
        """Microseconds of debt with which one more is still let through."""
        return self.step * (self.count - 1)


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether one was let through; how many more would be at once, and seconds: until the next would be, until all."""

    is_granted: bool
    remaining: int
    wait: float
    reset: float


def key(kind: str, name: str) -> str:
    """The name of a meter for anything that somebody sent: of fixed length, and not to be read as what was typed."""
    return f"{kind}:{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}"


def take(database: Database, name: str, rate: Rate) -> Taken:
    """Counts one if there is room for it. Two processes never both get the last."""
    now = clock.now()
    with database.note():
        # All rows are fetched: SQLite commits no statement that has not come to its end.
        rows = database.all(_TAKE, name, now + rate.step, now, now, rate.step, now + rate.room)
    if rows:
        return _taken(True, rows[0][0] - now, rate)
    row = database.one("SELECT empty_at FROM meter WHERE name = ?", name)
    return _taken(False, row[0] - now if row else 0, rate)


def count(database: Database, name: str, rate: Rate) -> None:
    """Counts one that has happened, room or not."""
    now = clock.now()
    with database.note():
        database.run(_COUNT, name, now + rate.step, now, now, rate.step)


def wait(database: Database, *limits: tuple[str, Rate]) -> float:
    """Seconds until each of the named meters has room for one more; 0 when they have it now."""
    names = [name for name, _ in limits]
    rows = database.all(" ".join(("SELECT name, empty_at FROM meter WHERE name IN (", places(names), ")")), *names)
    debts: dict[str, int] = dict(rows)
    now = clock.now()
    longest = max((debts.get(name, now) - now - rate.room for name, rate in limits), default=0)
    return max(0, longest) / clock.SECOND


def forget_paid(database: Database) -> int:
    """Deletes meters without debt, which say nothing; answers how many."""
    if database.one("SELECT 1 FROM meter WHERE empty_at <= ? LIMIT 1", clock.now()) is None:
        return 0
    with database.note():
        return database.run("DELETE FROM meter WHERE empty_at <= ?", clock.now())


def _taken(is_granted: bool, debt: int, rate: Rate) -> Taken:
    remaining = max(0, (rate.room - debt) // rate.step + 1)
    wait = 0.0 if is_granted else max(0, debt - rate.room) / clock.SECOND
    return Taken(is_granted, remaining, wait, math.ceil(max(0, debt) / clock.SECOND))
