"""Tasks in the database, as the relay and the edge of the queue need them: by queue and state, for all owners."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import clock
from .database import Database
from .store import Task, select

# The literal states let the database use the partial indexes of migrations.py.
_NEXT_QUEUE = "SELECT min(queue) FROM task WHERE state = 'accepted' AND queue > ?"
_DUE = select("state = 'accepted' AND queue = ? AND relay_at <= ? ORDER BY relay_at, id LIMIT ?")
_IS_WAITING = "SELECT 1 FROM task WHERE state = 'accepted' AND queue = ? AND relay_at <= ? LIMIT 1"
_RELEASE = "UPDATE task SET relay_at = ? WHERE id = ? AND state = 'accepted'"
_MARK = "UPDATE task SET state = ? WHERE id = ? AND run = ? AND state IN ('accepted', 'scheduled', 'queued')"
_STATE = "SELECT state FROM task WHERE id = ?"
_HANDED_OVER = select("state IN ('scheduled', 'queued') AND id > ? AND created_at < ? ORDER BY id LIMIT ?")
_RECORD = (
    "UPDATE task SET state = ?, attempt = ?, started_at = ?, finished_at = ?, result = ?, error = ?"
    " WHERE id = ? AND run = ? AND state IN ('accepted', 'scheduled', 'queued')"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended: times in microseconds, the result as JSON text."""

    task_id: str
    state: str
    attempt: int
    started_at: int | None
    finished_at: int | None
    result: str | None
    error: str | None
    run: int = 0


def queues(database: Database) -> list[str]:
    """The queues for which something is in the outbox, found with one step of the index for each."""
    found: list[str] = []
    while (row := database.one(_NEXT_QUEUE, found[-1] if found else "")) and row[0] is not None:
        found.append(row[0])
    return found


def due(database: Database, queue: str, limit: int) -> list[Task]:
    """The tasks that the relay should hand over to a queue, in the order in which they came."""
    return [Task(*row) for row in database.all(_DUE, queue, clock.now(), limit)]


def has_backlog(database: Database, queue: str) -> bool:
    """Whether tasks wait here for the relay, which a new one must not overtake."""
    return database.one(_IS_WAITING, queue, clock.now()) is not None


def release(database: Database, tasks: Iterable[Task]) -> None:
    """Leaves tasks to the relay from now on."""
    now = clock.now()
    with database.write():
        for task in tasks:
            database.run(_RELEASE, now, task.id)


def mark_handed_over(database: Database, tasks: Iterable[Task]) -> list[Task]:
    """Notes that tasks are in the queue; answers those that their owners cancelled in the meantime."""
    now = clock.now()
    with database.write():
        missed = [task for task in tasks if not database.run(_MARK, _handed_over_state(task, now), task.id, task.run)]
    return cancelled(database, missed)


def cancelled(database: Database, tasks: Iterable[Task]) -> list[Task]:
    """Those of the tasks that have been cancelled in the database."""
    return [task for task in tasks if database.one(_STATE, task.id) == ("cancelled",)]


def handed_over(database: Database, after: str, created_before: int, limit: int) -> list[Task]:
    """The next tasks after that id of which the database knows only that they are in the queue."""
    return [Task(*row) for row in database.all(_HANDED_OVER, after, created_before, limit)]


def record(database: Database, endings: Sequence[Ending]) -> int:
    """Notes how tasks ended, all in one transaction, and each once; answers how many were news."""
    with database.write():
        return sum(
            database.run(_RECORD, e.state, e.attempt, e.started_at, e.finished_at, e.result, e.error, e.task_id, e.run)
            for e in endings
        )


def _handed_over_state(task: Task, now: int) -> str:
    return "scheduled" if task.due_at > now else "queued"
