"""Tasks in the database, as their owners see them: every query here filters by the owner.

`outbox.py` has the queries of the relay, which works for all owners.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from . import census
from .database import Database

ENDED = ("succeeded", "failed", "cancelled")
STATUSES = ("accepted", "scheduled", "queued", "running", *ENDED)

COLUMNS = (
    "id, account_id, task, input_param, queue, state, attempt, created_at, due_at, relay_at,"
    " started_at, finished_at, result, error, size, on_its_way"
)


def select(where: str) -> str:
    """The query for the whole rows of those tasks for which `where` holds."""
    return " ".join(("SELECT", COLUMNS, "FROM task WHERE", where))


_INSERT = " ".join(("INSERT INTO task (", COLUMNS, ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"))
_GET = select("account_id = ? AND id = ?")
_PAGE = select("account_id = ? AND id < ? ORDER BY id DESC LIMIT ?")
_PAGE_OF_STATE = select(
    "account_id = ? AND id < ? AND state IN (?, 'accepted', 'scheduled', 'queued') ORDER BY id DESC LIMIT ?"
)
_CANCEL = (
    "UPDATE task SET state = 'cancelled', finished_at = ?"
    " WHERE account_id = ? AND id = ? AND state IN ('accepted', 'scheduled', 'queued') RETURNING queue"
)
_FORGET = "DELETE FROM task WHERE account_id = ? AND id = ?"
_FORGET_OLD = (
    "DELETE FROM task WHERE id IN (SELECT id FROM task WHERE state IN ('succeeded', 'failed', 'cancelled')"
    " AND finished_at < ? ORDER BY finished_at LIMIT ?)"
)
_AFTER_ALL_IDS = "~"


@dataclass(frozen=True, slots=True)
class Task:
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

    @property
    def has_ended(self) -> bool:
        """Whether the database knows how it ended."""
        return self.state in ENDED


def add(database: Database, tasks: Iterable[Task]) -> None:
    """Inserts tasks; belongs into a `write()`."""
    for task in tasks:
        database.run(_INSERT, *astuple(task))


def get(database: Database, owner: int, task_id: str) -> Task | None:
    """The owner's task of that id."""
    row = database.one(_GET, owner, task_id)
    return Task(*row) if row else None


def page(database: Database, owner: int, before: str | None, limit: int, state: str | None = None) -> list[Task]:
    """The owner's newest `limit` tasks, or those that are older than the one of id `before`.

    With `state`: only those that are in it, and those of which only the queue knows whether they are.
    """
    start = before or _AFTER_ALL_IDS
    if state is None:
        rows = database.all(_PAGE, owner, start, limit)
    else:
        rows = database.all(_PAGE_OF_STATE, owner, start, state, limit)
    return [Task(*row) for row in rows]


def cancel(database: Database, owner: int, task_id: str, now: int) -> bool:
    """Ends a task of which the queue knows nothing; False when it has ended otherwise."""
    with database.write():
        row = database.one(_CANCEL, now, owner, task_id)
        if row is not None:
            census.tally(database, {(row[0], "cancelled"): 1})
    return row is not None


def forget(database: Database, owner: int, task_id: str) -> bool:
    """Deletes a task, which the caller knows to have ended; False when it is gone already."""
    with database.write():
        return database.run(_FORGET, owner, task_id) == 1


def forget_old(database: Database, before: int, limit: int) -> int:
    """Deletes up to `limit` tasks, of all owners, that ended before a time, the oldest first; answers how many."""
    with database.write():
        return database.run(_FORGET_OLD, before, limit)
