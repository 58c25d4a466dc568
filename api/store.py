"""Tasks in the database, as their owners see them: every query here filters by the owner.

`outbox.py` has the queries of the relay, which works for all owners.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, Literal, get_args

import msgspec

from . import census
from .database import Database, places
from .webhooks import events

Ended = Literal["succeeded", "failed", "cancelled"]
Status = Literal["accepted", "scheduled", "queued", "running", Ended]
ENDED: tuple[str, ...] = get_args(Ended)

COLUMNS = (
    "id, account_id, task, input_param, queue, state, attempt, created_at, due_at, relay_at,"
    " started_at, finished_at, result, error, size, on_its_way, run, callback_url"
)


def select(where: str) -> str:
    """The query for the whole rows of those tasks for which `where` holds."""
    return " ".join(("SELECT", COLUMNS, "FROM task WHERE", where))


_values = attrgetter(*COLUMNS.split(", "))
_INSERT = " ".join(("INSERT INTO task (", COLUMNS, ") VALUES"))
_PLACES = f"({places(COLUMNS.split(','))})"
# So many rows are inserted by one statement: older versions of SQLite take no more than 999 values.
_ROWS = 50
_GET = select("account_id = ? AND id = ?")
_RANGE = "account_id = ? AND id >= ? AND id < ?"
_NEWEST = " ORDER BY id DESC LIMIT ?"
_CONDITIONS = ("queue = ?", "task = ?", "state IN (?, 'accepted', 'scheduled', 'queued')")
_HAS_TEXT = "(id LIKE ? ESCAPE '!' OR lower(input_param) LIKE ? ESCAPE '!' OR lower(error) LIKE ? ESCAPE '!')"
_WILD = re.compile("[!%_]")
_PAGE = select(_RANGE + _NEWEST)
# Where a page ends at the latest that finds hardly anything.
_FLOOR = " ".join(("SELECT id FROM task WHERE", _RANGE, _NEWEST, "OFFSET ?"))
_CANCEL = (
    "UPDATE task SET state = 'cancelled', finished_at = ?"
    " WHERE account_id = ? AND id = ? AND state IN ('accepted', 'scheduled', 'queued')"
    " RETURNING queue, id, account_id, callback_url"
)
_FORGET = "DELETE FROM task WHERE account_id = ? AND id = ?"
_FORGET_TOLD = "DELETE FROM webhook_delivery WHERE account_id = ? AND task_id = ?"
_FORGET_OLD = (
    "DELETE FROM task WHERE id IN (SELECT id FROM task WHERE state IN ('succeeded', 'failed', 'cancelled')"
    " AND finished_at < ? ORDER BY finished_at LIMIT ?)"
)
_RETRY = (
    "UPDATE task SET state = 'accepted', run = run + 1, attempt = 1, due_at = ?, relay_at = ?, on_its_way = 0,"
    " started_at = NULL, finished_at = NULL, result = NULL, error = NULL"
    " WHERE account_id = ? AND id = ? AND run = ? AND state IN ('accepted', 'scheduled', 'queued', 'failed')"
)
# Before and after the ids of all tasks.
_FIRST, _LAST = "", "~"
# So many entries of the index are looked at for one page, which takes some milliseconds.
SCAN = 20_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks to list, None for any: those in a state, of a queue, of a task; ids from one on, before another;
    with a text in the id, the input or the error, whether in capitals or not.
    """

    status: str | None = None
    queue: str | None = None
    task: str | None = None
    after: str | None = None
    before: str | None = None
    text: str | None = None

    @property
    def is_selective(self) -> bool:
        """Whether it takes a look at each task to see if it fits."""
        return any(value is not None for value in (self.status, self.queue, self.task, self.text))


class Task(msgspec.Struct, frozen=True):
    """A row of the table `task`: times in microseconds, `input_param` and `result` as JSON text. See migrations.py."""

    id: str
    account_id: int
    task: str
    input_param: str
    queue: str
    state: str
    attempt: int
    created_at: int
    due_at: int
    relay_at: int
    started_at: int | None = None
    finished_at: int | None = None
    result: str | None = None
    error: str | None = None
    size: int = 0
    on_its_way: int = 0
    run: int = 0  # how often it has been retried; every run is a job of its own
    callback_url: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the database knows how it ended."""
        return self.state in ENDED


def add(database: Database, tasks: Sequence[Task]) -> None:
    """Inserts tasks; belongs into a `write()`."""
    for start in range(0, len(tasks), _ROWS):
        rows = [_values(task) for task in tasks[start : start + _ROWS]]
        database.run(" ".join((_INSERT, ", ".join([_PLACES] * len(rows)))), *chain.from_iterable(rows))


def get(database: Database, owner: int, task_id: str) -> Task | None:
    """The owner's task of that id."""
    row = database.one(_GET, owner, task_id)
    return Task(*row) if row else None


def page(database: Database, owner: int, wanted: Filter, limit: int) -> tuple[list[Task], str | None]:
    """The owner's newest `limit` tasks that fit, and the id after which to go on; None when there are no more.

    With a status: those that are in it, and those of which only the queue knows whether they are. A page that finds
    too little within SCAN tasks ends there.
    """
    low, high = wanted.after or _FIRST, wanted.before or _LAST
    floor = None
    if wanted.is_selective:
        floor = database.one(_FLOOR, owner, low, high, 1, SCAN)
    query, values = _filtered(wanted)
    rows = database.all(query, owner, low if floor is None else floor[0], high, *values, limit)
    tasks = [Task(*row) for row in rows]
    if len(tasks) == limit:
        return tasks, tasks[-1].id
    return tasks, None if floor is None else str(floor[0])


def _filtered(wanted: Filter) -> tuple[str, list[Any]]:
    if not wanted.is_selective:
        return _PAGE, []
    conditions, values = [_RANGE], []
    for condition, value in zip(_CONDITIONS, (wanted.queue, wanted.task, wanted.status), strict=True):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if wanted.text is not None:
        conditions.append(_HAS_TEXT)
        pattern = "%" + _WILD.sub(r"!\g<0>", wanted.text.lower()) + "%"
        values += [pattern] * 3
    return select(" AND ".join(conditions) + _NEWEST), values


def cancel(database: Database, owner: int, task_id: str, now: int) -> bool:
    """Ends a task of which the queue knows nothing; False when it has ended otherwise."""
    with database.write():
        row = database.one(_CANCEL, now, owner, task_id)
        if row is not None:
            census.tally(database, {(row[0], "cancelled"): 1})
            events.announce(database, [events.Ended(*row[1:])])
    return row is not None


def forget(database: Database, owner: int, task_id: str) -> bool:
    """Deletes a task, which the caller knows to have ended, and what webhooks tell of it; False when it is gone."""
    with database.write():
        database.run(_FORGET_TOLD, owner, task_id)
        return database.run(_FORGET, owner, task_id) == 1


def forget_old(database: Database, before: int, limit: int) -> int:
    """Deletes up to `limit` tasks, of all owners, that ended before a time, the oldest first; answers how many."""
    with database.write():
        return database.run(_FORGET_OLD, before, limit)


def retry(database: Database, task: Task, now: int) -> bool:
    """Makes a failed task one for the relay to hand over, as a new run; False when somebody else was faster.

    The caller knows that this run has failed, also when only the queue has told so far.
    """
    with database.write():
        return database.run(_RETRY, now, now, task.account_id, task.id, task.run) == 1
