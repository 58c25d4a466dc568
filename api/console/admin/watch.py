"""What is to be seen of the queues, their server and the database: looked at once for all who look at that moment."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

import redisq

from ... import census, clock
from ...database import Database
from ...health import DatabaseHealth, database_health

T = TypeVar("T")

# Seconds for which a look at the queues is good enough for the next who asks, and one at the servers.
_QUEUES_KEPT = 1.5
_HEALTH_KEPT = 5.0
# After so many seconds without a look, rates since the last one would say nothing about now.
_STALE = 300.0


class Kept(Generic[T]):
    """An answer that is asked for anew when it has become old. While one asks, the others wait for his answer."""

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None

    def get(self) -> T:
        """Raises what `ask` raises."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > self._seconds:
                self._known = (time.monotonic(), self._ask())
            return self._known[1]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue. `outbox`: tasks that are due and wait in the database. `oldest_at`: microseconds since the epoch, when
    what has waited longest was enqueued. `wait`: seconds, the median of those that began in the last minute.
    """

    info: redisq.QueueInfo
    outbox: int
    oldest_at: int | None
    wait: float | None

    @property
    def name(self) -> str:
        """The queue's."""
        return self.info.name


class Watch:
    """Of one process."""

    def __init__(self, database: Database, app: redisq.RedisQ) -> None:
        self._database = database
        self._app = app
        self._survey = app.survey()
        self._looked = 0.0
        self._queues = Kept(self._look, _QUEUES_KEPT)
        self._server = Kept(app.server_info, _HEALTH_KEPT)
        self._health = Kept(lambda: database_health(database), _HEALTH_KEPT)

    def queues(self) -> list[QueueRow]:
        """All of them, by name: those that were granted, too. ServerUnavailable, ServerRefused."""
        return self._queues.get()

    def server(self) -> redisq.ServerInfo:
        """ServerUnavailable, ServerRefused."""
        return self._server.get()

    def database(self) -> DatabaseHealth:
        """Unavailable."""
        return self._health.get()

    def _look(self) -> list[QueueRow]:
        now = time.monotonic()
        if now - self._looked > _STALE:
            self._survey = self._app.survey()
        self._looked = now
        outbox = {one.queue: one.count for one in census.waiting(self._database)}
        names = sorted({*census.queues(self._database), *self._app.queue_names()})
        return [_row(info, outbox.get(info.name, 0)) for info in self._survey.queues(names)]


def _row(info: redisq.QueueInfo, outbox: int) -> QueueRow:
    # To the second: a page is sent again only if something has changed.
    age = info.oldest_age
    oldest_at = None if age is None else round(clock.now() / clock.SECOND - age) * clock.SECOND
    return QueueRow(info, outbox, oldest_at, median(info.waits) if info.waits else None)
