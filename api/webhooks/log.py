"""The deliveries of a user with their attempts, as he sees them: every query here filters by the owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .. import clock
from ..database import Database, Row, places
from ..store import SCAN

Status = Literal["pending", "delivered", "failed"]

_COLUMNS = (
    "SELECT id, webhook_id, task_id, event, url, state, created_at, due_at, finished_at FROM webhook_delivery"
)
_RANGE = "account_id = ? AND id < ?"
_NEWEST = "ORDER BY id DESC LIMIT ?"
# Where a page ends at the latest that finds hardly anything.
_FLOOR = " ".join(("SELECT id FROM webhook_delivery WHERE", _RANGE, _NEWEST, "OFFSET ?"))
_GET = " ".join((_COLUMNS, "WHERE account_id = ? AND id = ?"))
_ATTEMPTS = "SELECT delivery_id, at, duration, status, error, response FROM webhook_attempt"
_RESEND = (
    "UPDATE webhook_delivery SET state = 'pending', due_at = ?, failures = 0, finished_at = NULL"
    " WHERE account_id = ? AND id = ? AND state <> 'sending'"
)
# After all ids.
_LAST = "~"


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt that was made: `at` and `duration` in microseconds; see transport.Outcome."""

    at: int
    duration: int
    status: int | None
    error: str | None
    response: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery; without `webhook_id` it goes to the callback URL of a task. `due_at`: of the next attempt."""

    id: str
    webhook_id: str
    task_id: str | None
    event: str
    url: str
    status: Status
    created_at: int
    due_at: int | None
    finished_at: int | None
    attempts: Sequence[Made]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which to list, None for any; and those before an id."""

    webhook_id: str | None = None
    task_id: str | None = None
    status: Status | None = None
    before: str | None = None

    def conditions(self) -> Iterator[tuple[str, ...]]:
        """Conditions of SQL, each with its values."""
        if self.webhook_id is not None:
            yield "webhook_id = ?", self.webhook_id
        if self.task_id is not None:
            yield "task_id = ?", self.task_id
        if self.status is not None:
            yield "state IN (?, ?)", self.status, "sending" if self.status == "pending" else self.status


def page(database: Database, owner: int, wanted: Filter, limit: int) -> tuple[list[Delivery], str | None]:
    """The owner's newest `limit` that fit, and the id before which to go on; None when there are no more.

    A page that finds too little within SCAN deliveries ends there.
    """
    before = wanted.before or _LAST
    conditions, values, floor = [_RANGE], [owner, before], None
    for condition, *fitting in wanted.conditions():
        conditions.append(condition)
        values += fitting
    if len(conditions) > 1 and (floor := database.one(_FLOOR, owner, before, 1, SCAN)):
        conditions.append("id >= ?")
        values.append(floor[0])
    query = " ".join((_COLUMNS, "WHERE", " AND ".join(conditions), _NEWEST))
    found = _with_attempts(database, database.all(query, *values, limit + 1))
    if len(found) > limit:
        return found[:limit], found[limit - 1].id
    return found, floor[0] if floor else None


def get(database: Database, owner: int, delivery_id: str) -> Delivery | None:
    """The owner's of that id."""
    rows = database.all(_GET, owner, delivery_id)
    return next(iter(_with_attempts(database, rows)), None)


def resend(database: Database, owner: int, delivery_id: str) -> None:
    """Begins it again, with as many attempts as a new one has; one that is just being made stays as it is.

    Belongs into a `write()`.
    """
    database.run(_RESEND, clock.now(), owner, delivery_id)


def _with_attempts(database: Database, rows: Sequence[Row]) -> list[Delivery]:
    made: defaultdict[str, list[Made]] = defaultdict(list)
    if ids := [row[0] for row in rows]:
        query = " ".join((_ATTEMPTS, "WHERE delivery_id IN (", places(ids), ") ORDER BY delivery_id, number"))
        for delivery_id, *rest in database.all(query, *ids):
            made[delivery_id].append(Made(*rest))
    return [_delivery(made[row[0]], *row) for row in rows]


def _delivery(
    made: Sequence[Made], delivery_id: str, webhook_id: str, task_id: str | None, event: str, url: str, state: Any,
    created_at: int, due_at: int, finished_at: int | None,
) -> Delivery:  # fmt: skip
    status: Status = "pending" if state == "sending" else state
    due = due_at if state == "pending" else None
    return Delivery(delivery_id, webhook_id, task_id, event, url, status, created_at, due, finished_at, made)
