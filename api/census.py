"""How many tasks there are, for /metrics: counted where they are few, and tallied where they only become more."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from . import clock
from .database import Database

# Each is read from a partial index of migrations.py alone: of what has ended, which is most, nothing is touched.
_ACCEPTED = "SELECT queue, count(*) FROM task WHERE state = 'accepted' AND on_its_way = 0 GROUP BY queue"
_COMING = "SELECT queue, count(*) FROM task WHERE state = 'accepted' AND on_its_way = 1 GROUP BY queue"
_HELD = "SELECT queue, state, count(*) FROM task WHERE state IN ('scheduled', 'queued') GROUP BY queue, state"
_DUE = (
    "SELECT queue, count(*), min(relay_at) FROM task"
    " WHERE state = 'accepted' AND on_its_way = 0 AND relay_at <= ? GROUP BY queue"
)
_GRANTED = "SELECT queue FROM worker UNION SELECT queue FROM plan_worker ORDER BY queue"
_ENDED = "SELECT queue, state, number FROM tally"
_TALLY = (
    "INSERT INTO tally (queue, state, number) VALUES (?, ?, ?)"
    " ON CONFLICT (queue, state) DO UPDATE SET number = tally.number + excluded.number"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tasks of a queue that are due and wait in the outbox. `age`: seconds for which the oldest has been due."""

    queue: str
    count: int
    age: float


def waiting(database: Database) -> list[Waiting]:
    """Of each queue for which something waits."""
    now = clock.now()
    return [Waiting(queue, count, (now - oldest) / clock.SECOND) for queue, count, oldest in database.all(_DUE, now)]


def unfinished(database: Database) -> dict[tuple[str, str], int]:
    """Tasks that have not ended, by queue and by what the database knows of their state."""
    found = Counter({(queue, state): count for queue, state, count in database.all(_HELD)})
    for query in (_ACCEPTED, _COMING):
        for queue, count in database.all(query):
            found[queue, "accepted"] += count
    return dict(sorted(found.items()))


def ended(database: Database) -> dict[tuple[str, str], int]:
    """Tasks that have ended since the database was made, by queue and state, those that were deleted since too."""
    return {(queue, state): number for queue, state, number in sorted(database.all(_ENDED))}


def tally(database: Database, endings: Mapping[tuple[str, str], int]) -> None:
    """Adds tasks that have ended, by queue and state; belongs at the end of the `write()` that ends them."""
    for (queue, state), number in sorted(endings.items()):  # in one order, so that no two wait for each other
        database.run(_TALLY, queue, state, number)


def queues(database: Database) -> list[str]:
    """All queues on which somebody has a worker, by name or by a plan."""
    return [queue for (queue,) in database.all(_GRANTED)]
