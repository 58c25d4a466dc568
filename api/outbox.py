"""Tasks in the database, as the relay and the edge of the queue need them: by queue and state, for all owners.

Rows are handed over by one process at a time: `take` marks them as on their way, until a time. With PostgreSQL a relay
skips the queue that another one is just taking from, and rows that somebody else is changing; with SQLite one writes
at a time anyway. Who does not come back leaves its rows to the next (`take_over`), and the task's id makes it harmless.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import census, clock
from .database import Database, places
from .store import COLUMNS, Task
from .webhooks import events

# The literal states let the database use the partial indexes of migrations.py.
_WAITING = "state = 'accepted' AND on_its_way = 0"
_COMING = "state = 'accepted' AND on_its_way = 1"
_IN_QUEUE = "state IN ('scheduled', 'queued')"
# Of rows that this transaction has chosen. It says no more, or PostgreSQL might look for them in all that wait.
_OURS = "state = 'accepted'"


def _sql(*parts: str) -> str:
    return " ".join(parts)


# Never min(): PostgreSQL may read all that wait for that, if it does not know yet how much it is.
_NEXT_QUEUE = _sql("SELECT queue FROM task WHERE", _WAITING, "AND queue > ? ORDER BY queue LIMIT 1")
# One step of the index for each account, however much waits for it.
_ACCOUNTS = _sql(
    "WITH RECURSIVE account_of (id) AS (SELECT CAST(0 AS BIGINT)",
    "UNION ALL SELECT (SELECT account_id FROM task WHERE", _WAITING,
    "AND queue = ? AND account_id > account_of.id ORDER BY account_id LIMIT 1)",
    "FROM account_of WHERE account_of.id IS NOT NULL)",
    "SELECT id FROM account_of WHERE (SELECT relay_at FROM task WHERE", _WAITING,
    "AND queue = ? AND account_id = account_of.id ORDER BY relay_at LIMIT 1) <= ?",
)  # fmt: skip
_DUE = _sql(
    "SELECT id, size FROM task WHERE", _WAITING,
    "AND queue = ? AND account_id = ? AND relay_at <= ? ORDER BY relay_at, id LIMIT ? {skip_locked}",
)  # fmt: skip
_EXPIRED = _sql("SELECT id FROM task WHERE", _COMING, "AND relay_at <= ? ORDER BY relay_at LIMIT ? {skip_locked}")
_IS_WAITING = _sql(
    "SELECT 1 FROM task WHERE", _WAITING, "AND queue = ? AND account_id = ? AND relay_at <= ? LIMIT 1"
)
_COUNT_WAITING = _sql(
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE", _WAITING, "AND queue = ? AND relay_at <= ? LIMIT ?) AS waiting"
)
_HELD = _sql("SELECT state, count(*), sum(size) FROM task WHERE", _IN_QUEUE, "AND queue = ? GROUP BY state")
_HELD_COMING = _sql("SELECT count(*), sum(size) FROM task WHERE", _COMING, "AND relay_at > ? AND queue = ?")
_RELEASE = "UPDATE task SET relay_at = ?, on_its_way = 0 WHERE id = ? AND state = 'accepted'"
_HANDED_OVER = _sql(
    "SELECT", COLUMNS, "FROM task WHERE", _IN_QUEUE, "AND id > ? AND created_at < ? ORDER BY id LIMIT ?"
)
_OLDEST = _sql("SELECT", COLUMNS, "FROM task WHERE", _IN_QUEUE, "ORDER BY id LIMIT ?")
_NEWEST = _sql("SELECT", COLUMNS, "FROM task WHERE", _IN_QUEUE, "ORDER BY id DESC LIMIT ?")
_RECORD = (
    "UPDATE task SET state = ?, attempt = ?, started_at = ?, finished_at = ?, result = ?, error = ?"
    " WHERE id = ? AND run = ? AND state IN ('accepted', 'scheduled', 'queued')"
    " RETURNING queue, id, account_id, callback_url"
)
#: A delayed task that found no room in Redis is handed over so long before it is due.
EARLY = 60 * clock.SECOND
# For so long who has taken rows is thought to be at work on them.
_LEASE = 15 * clock.SECOND
_PORTION = 200


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


@dataclass(frozen=True, slots=True)
class Held:
    """What Redis has of a queue, or is about to have, as far as the database knows: it runs or waits there."""

    queued: int
    queued_size: int
    scheduled: int
    scheduled_size: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What Redis may have of one queue, in jobs and in bytes of their input; and as much again of delayed tasks.

    Who looks before it sends may find that others have sent meanwhile. So nobody begins anything in the last eighth of
    the room, and a web process sends a sixty-fourth before it looks again: with up to eight of them, the bound holds.
    """

    jobs: int
    size: int

    def room(self, held: Held) -> tuple[int, int]:
        """Jobs and bytes that may still come."""
        if held.scheduled >= self.jobs or held.scheduled_size >= self.size:
            return 0, 0
        return self.jobs - self.jobs // 8 - held.queued, self.size - self.size // 8 - held.queued_size

    @property
    def share(self) -> tuple[int, int]:
        """Jobs and bytes that a web process may send before it looks again."""
        return max(1, self.jobs // 64), max(1, self.size // 64)


def queues(database: Database) -> list[str]:
    """The queues for which something is in the outbox, found with one step of the index for each."""
    found: list[str] = []
    while (row := database.one(_NEXT_QUEUE, found[-1] if found else "")) and row[0] is not None:
        found.append(row[0])
    return found


def held(database: Database, queue: str) -> Held:
    """What counts against the queue's bound."""
    known = {state: (count, int(size)) for state, count, size in database.all(_HELD, queue)}
    coming = database.one(_HELD_COMING, clock.now(), queue) or (0, 0)
    queued, scheduled = known.get("queued", (0, 0)), known.get("scheduled", (0, 0))
    return Held(queued[0] + coming[0], queued[1] + int(coming[1] or 0), *scheduled)


def take(database: Database, queue: str, bound: Bound, limit: int, after: int = 0) -> list[Task]:
    """Up to `limit` tasks that are due, as far as the queue's bound has room: they are the caller's to hand over.

    All users for whom something is due have their share of them, each in the order in which it came; when there are
    more users than room, those after the account `after` come first. A task that is larger than the bound goes alone.
    """
    with database.write():
        if not database.lock(f"outbox.{queue}", wait=False):
            return []
        now, has = clock.now(), held(database, queue)
        jobs, size = bound.room(has)
        chosen: list[str] = []
        for task_id, task_size in _due(database, queue, min(limit, jobs), after, now):
            if task_size > size and (chosen or has.queued):
                break
            chosen.append(task_id)
            size -= task_size
        taken = _take(database, _OURS, chosen)
    order = {task_id: n for n, task_id in enumerate(chosen)}
    return sorted(taken, key=lambda task: order[task.id])


def take_over(database: Database, limit: int) -> list[Task]:
    """Tasks that were on their way for too long: who was to hand them over may be gone. They are the caller's now."""
    now = clock.now()
    if not database.all(_EXPIRED.replace("{skip_locked}", ""), now, 1):  # looking locks nobody out
        return []
    with database.write():
        expired = [task_id for (task_id,) in database.all(_EXPIRED, now, limit)]
        return sorted(_take(database, _OURS, expired), key=lambda task: task.id)


def take_back(database: Database, tasks: Sequence[Task]) -> list[Task]:
    """Those of the tasks that have not ended, of which the queue has lost the jobs. They are the caller's now."""
    with database.write():
        return sorted(_take(database, _IN_QUEUE, [task.id for task in tasks]), key=lambda task: task.id)


def has_backlog(database: Database, queue: str, account: int) -> bool:
    """Whether tasks of that user wait here for the relay, which a new one must not overtake."""
    return database.one(_IS_WAITING, queue, account, clock.now()) is not None


def waiting(database: Database, queue: str, most: int) -> int:
    """How many tasks wait here for the relay; at most `most` are counted."""
    row = database.one(_COUNT_WAITING, queue, clock.now(), most)
    return int(row[0]) if row else 0


def release(database: Database, tasks: Iterable[Task]) -> None:
    """Leaves tasks to the relay."""
    now = clock.now()
    with database.write():
        for task in tasks:
            database.run(_RELEASE, max(now, task.due_at - EARLY), task.id)


def mark_handed_over(database: Database, tasks: Sequence[Task]) -> list[Task]:
    """Notes that tasks are in the queue; answers those that their owners cancelled or deleted in the meantime."""
    now = clock.now()
    run_of = {task.id: task.run for task in tasks}
    marked: set[str] = set()
    with database.write():
        for ids in _portions(sorted(run_of)):
            runs = ", ".join("(?, ?)" for _ in ids)
            mark = _sql(
                "UPDATE task SET state = CASE WHEN due_at > ? THEN 'scheduled' ELSE 'queued' END, on_its_way = 0",
                "WHERE state IN ('accepted', 'scheduled', 'queued') AND id IN (", places(ids), ")",
                "AND (id, run) IN (VALUES", runs, ") RETURNING id",
            )  # fmt: skip
            pairs = [value for task_id in ids for value in (task_id, run_of[task_id])]
            marked.update(task_id for (task_id,) in database.all(mark, now, *ids, *pairs))
    return cancelled(database, [task for task in tasks if task.id not in marked])


def cancelled(database: Database, tasks: Iterable[Task]) -> list[Task]:
    """Those of the tasks that have been cancelled in the database, or deleted from it."""
    tasks = list(tasks)
    known: set[str] = set()
    for ids in _portions([task.id for task in tasks]):
        rows = database.all(_sql("SELECT id FROM task WHERE state <> 'cancelled' AND id IN (", places(ids), ")"), *ids)
        known.update(task_id for (task_id,) in rows)
    return [task for task in tasks if task.id not in known]


def handed_over(database: Database, after: str, created_before: int, limit: int) -> list[Task]:
    """The next tasks after that id of which the database knows only that they are in the queue."""
    return [Task(*row) for row in database.all(_HANDED_OVER, after, created_before, limit)]


def ends_of_handed_over(database: Database, count: int) -> list[Task]:
    """The `count` oldest of those tasks, and the newest."""
    return [Task(*row) for query in (_OLDEST, _NEWEST) for row in database.all(query, count)]


def record(database: Database, endings: Iterable[Ending]) -> int:
    """Notes how tasks ended, and who is to be told, all in one transaction, each once; answers how many were news."""
    # In the order of the ids, so that two who note the same ones never wait for each other.
    ordered = sorted(endings, key=lambda ending: ending.task_id)
    news: Counter[tuple[str, str]] = Counter()
    ended: list[events.Ended] = []
    with database.write():
        for e in ordered:
            values = (e.state, e.attempt, e.started_at, e.finished_at, e.result, e.error)
            row = database.one(_RECORD, *values, e.task_id, e.run)
            if row is not None:
                news[row[0], e.state] += 1
                ended.append(events.Ended(*row[1:]))
        census.tally(database, news)
        events.announce(database, ended)
    return news.total()


def _due(database: Database, queue: str, limit: int, after: int, now: int) -> Iterator[tuple[str, int]]:
    """Ids and sizes of what is due, one user after the other."""
    if limit <= 0:
        return
    accounts = [account for (account,) in database.all(_ACCOUNTS, queue, queue, now)]
    accounts = [*(one for one in accounts if one > after), *(one for one in accounts if one <= after)]
    share = max(1, limit // len(accounts)) if accounts else 0
    for account in accounts[:limit]:
        yield from database.all(_DUE, queue, account, now, share)


def _take(database: Database, condition: str, ids: Sequence[str]) -> list[Task]:
    taken: list[Task] = []
    until = clock.now() + _LEASE
    for some in _portions(ids):
        update = _sql(
            "UPDATE task SET state = 'accepted', on_its_way = 1, relay_at = ? WHERE", condition,
            "AND id IN (", places(some), ") RETURNING", COLUMNS,
        )  # fmt: skip
        taken += [Task(*row) for row in database.all(update, until, *some)]
    return taken


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _PORTION):
        yield ids[start : start + _PORTION]
