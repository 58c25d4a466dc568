"""How the queues were lately: one sample each 10 s for an hour, and their means of 5 min for a day.

One relay takes the samples, since a rate is what has happened since the same observer's last look: the one that has the
lease, which another takes over when it is gone. What nobody sampled is missing, and never made up.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Literal

import redisq

from . import census, clock
from .database import Database

Window = Literal["hour", "day"]

#: Of each window, in microseconds: how far it goes back, and the time between two samples.
SPANS: dict[Window, tuple[int, int]] = {
    "hour": (3600 * clock.SECOND, 10 * clock.SECOND),
    "day": (86400 * clock.SECOND, 300 * clock.SECOND),
}
_HOUR, _FINE = SPANS["hour"]
_DAY, _COARSE = SPANS["day"]
_LEASE = 5 * _FINE // 2
_MOST_QUEUES = 200  # those that were granted come first

_TAKE_LEASE = "UPDATE service SET value = ? WHERE name = 'history' AND (value < ? OR value LIKE ?)"
_ADD = (
    "INSERT INTO history (queue, step, at, depth, oldest, done, failed, latency) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_ROLL_UP = (
    "INSERT INTO history (queue, step, at, depth, oldest, done, failed, latency)"
    " SELECT queue, ?, (at + ? - 1) / ? * ?, avg(depth), max(oldest), avg(done), avg(failed), avg(latency)"
    " FROM history WHERE step = ? AND at > ? AND at <= ? GROUP BY 1, 3 ON CONFLICT DO NOTHING"
)
_FORGET = "DELETE FROM history WHERE step = ? AND at <= ?"
_OF_ONE = (
    "SELECT at, depth, oldest, done, failed, latency FROM history WHERE queue = ? AND step = ? AND at > ? ORDER BY at"
)
_OF_ALL = (
    "SELECT at, sum(depth), max(oldest), sum(done), sum(failed), avg(latency) FROM history"
    " WHERE step = ? AND at > ? GROUP BY at ORDER BY at"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A queue, or all together, in the step that ended `at` (microseconds since the epoch); None is not known.

    `depth`: what waits for a worker, in Redis or in the outbox. `oldest`: seconds for which the oldest of it has
    waited, 0 if nothing waits. `done`, `failed`: jobs a second that ended well or were cancelled, and that failed for
    good. `latency`: seconds from enqueued to started, the mean of some that have ended lately.
    """

    at: int
    depth: float | None
    oldest: float | None
    done: float | None
    failed: float | None
    latency: float | None


def series(database: Database, queue: str | None, window: Window) -> list[Sample]:
    """The samples of a queue in the last hour or day, oldest first; None: of all queues together."""
    span, step = SPANS[window]
    since = clock.now() - span
    rows = database.all(_OF_ALL, step, since) if queue is None else database.all(_OF_ONE, queue, step, since)
    return [Sample(int(at), *map(_float, values)) for at, *values in rows]


class Sampler:
    """Takes the samples, as long as it has the lease."""

    def __init__(self, database: Database, app: redisq.RedisQ) -> None:
        self._database = database
        self._app = app
        self._survey = app.survey()
        self._owner = secrets.token_hex(8)
        self._sampled = self._rolled_up = 0

    def sample(self) -> bool:
        """Takes a sample if one is due. Call it often: it costs nothing between two. False: it was not due, or another
        has the lease. Unavailable, redisq.RedisQError.
        """
        now = clock.now()
        at = now // _FINE * _FINE
        if at == self._sampled:
            return False
        self._sampled = at
        if not self._has_lease(now):
            return False
        rows = list(self._look(at))
        with self._database.note():
            for row in rows:
                self._database.run(_ADD, *row)
            self._roll_up(now)
        return True

    def _has_lease(self, now: int) -> bool:
        # Of fixed width, so that texts compare as the times do.
        lease, expired = f"{now + _LEASE:020d} {self._owner}", f"{now:020d}"
        with self._database.note():
            return self._database.run(_TAKE_LEASE, lease, expired, f"% {self._owner}") == 1

    def _look(self, at: int) -> Iterator[tuple[object, ...]]:
        granted = census.queues(self._database)
        names = list(dict.fromkeys([*granted, *sorted(self._app.queue_names())]))[:_MOST_QUEUES]
        outbox = {one.queue: one for one in census.waiting(self._database)}
        for info in self._survey.queues(names):
            if info.trouble is not None:
                continue
            depth, oldest = info.queued, info.oldest_age or 0.0
            if waiting := outbox.get(info.name):
                depth, oldest = depth + waiting.count, max(oldest, waiting.age)
            done = None
            if info.out_rate is not None and info.failure_rate is not None:
                done = max(0.0, info.out_rate - info.failure_rate)
            latency = mean(info.waits) if info.waits else None
            yield info.name, _FINE, at, depth, oldest, done, info.failure_rate, latency

    def _roll_up(self, now: int) -> None:
        """Once in 5 minutes; also what another left undone."""
        until = now // _COARSE * _COARSE
        if until == self._rolled_up:
            return
        self._database.run(_ROLL_UP, _COARSE, _COARSE, _COARSE, _COARSE, _FINE, until - _HOUR, until)
        self._database.run(_FORGET, _FINE, now - _HOUR)
        self._database.run(_FORGET, _COARSE, now - _DAY)
        self._rolled_up = until


def _float(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
