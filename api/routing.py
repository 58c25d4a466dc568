"""Which of a user's workers gets a task that names no queue, and when a queue has no room for more.

How long the queues are is asked of the database and of Redis, and known for a second; in between a process adds what
it has sent itself. So the longest backlog is kept to about, which is enough to keep a flood out.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import outbox
from .database import Database
from .jobs import Jobs
from .problems import Problem

_KNOWN_FOR = 1.0
# Counting takes at most this part of a process's time, however long the backlog is.
_SHARE = 0.05
# Beyond so many waiting tasks, queues without a limit are as long as each other.
_MOST = 100_000
_RETRY_FULL = "10"


@dataclass(slots=True)
class _Known:
    until: float
    waiting: int


class Router:
    """Chooses queues; safe to share between threads."""

    def __init__(
        self, database: Database, jobs: Jobs, longest: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`longest`: tasks that may wait for one queue, in Redis and the database together; 0: any number."""
        self._database = database
        self._jobs = jobs
        self._longest = longest
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def choose(self, workers: Mapping[str, int], rule: str | None, wanted: str | None, count: int) -> str:
        """The queue for `count` tasks: the wanted one or, without, one by the rule among those that have room.

        Raises the 403 of a queue that is not granted, and the 503 of one that has too long a backlog.
        """
        if wanted is not None and wanted not in workers:
            raise Problem(403, "queue_not_granted", "You have no worker on that queue.")
        if not workers:
            raise Problem(403, "no_worker", "You have no worker; ask the administrator for one.")
        open_to_me = {wanted: 1} if wanted is not None else dict(workers)
        if self._longest:
            open_to_me = {queue: weight for queue, weight in open_to_me.items() if self._has_room(queue, count)}
            if not open_to_me:
                detail = "Too many tasks wait there already; send this again later."
                raise Problem(503, "queue_full", detail, {"Retry-After": _RETRY_FULL})
        queue = self._by_rule(open_to_me, rule)
        if self._longest or rule == "least-loaded":
            self._length(queue).waiting += count
        return queue

    def _by_rule(self, workers: Mapping[str, int], rule: str | None) -> str:
        if len(workers) == 1:
            return next(iter(workers))
        if rule == "weighted":
            return random.choices(list(workers), list(workers.values()))[0]
        if rule == "least-loaded":
            # A worker of weight 2 is taken to be done with its queue twice as fast.
            loads = {queue: self._length(queue).waiting / weight for queue, weight in workers.items()}
            least = min(loads.values())
            return random.choice([queue for queue, load in loads.items() if load == least])
        return random.choice(list(workers))

    def _has_room(self, queue: str, count: int) -> bool:
        return self._length(queue).waiting + count <= self._longest

    def _length(self, queue: str) -> _Known:
        known = self._known.get(queue)
        started = self._clock()
        if known is None or known.until <= started:
            in_database = outbox.waiting(self._database, queue, self._longest or _MOST)
            now = self._clock()
            until = now + max(_KNOWN_FOR, (now - started) / _SHARE)
            known = self._known[queue] = _Known(until, in_database + self._jobs.waiting(queue))
        return known
