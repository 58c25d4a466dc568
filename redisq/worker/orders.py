"""Orders to the children of a supervisor: which running job is to stop, or that a child is to go. Read beside
everything else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import redis

from .. import keys
from ..claimed import Source
from ..connection import LONGEST_BLOCK
from ..endpoint import LOST
from ..orders import RECYCLE, STOP
from ..settings import Settings

log = logging.getLogger(__name__)

#: Seconds until the next attempt, when the server did not answer.
PAUSE = 1.0


class Orders:
    """Always waits for the next order, on a connection per slot."""

    def __init__(self, settings: Settings, sources: Sequence[Source]) -> None:
        self._lines = [Line(settings, group) for group in settings.server.groups(sources)]

    def next(self, workers: Sequence[str]) -> tuple[str, str] | None:
        """The worker, and STOP, RECYCLE, or the full id of a job that it is asked to stop; if an order has come."""
        return next((order for line in self._lines if (order := line.next(workers))), None)

    def close(self) -> None:
        for line in self._lines:
            line.close()


class Line:
    """One connection that waits for orders in one slot."""

    def __init__(self, settings: Settings, sources: Sequence[Source]) -> None:
        self._link = settings.server.shard(sources[0].base).link()
        self._sources = sources
        self._waiting = False
        self._not_before = 0.0

    def next(self, workers: Sequence[str]) -> tuple[str, str] | None:
        """See Orders.next."""
        try:
            if self._waiting and self._link.readable():
                self._waiting = False
                reply = self._link.receive(1)[0]
                if isinstance(reply, list):
                    return self._parse(reply[0].decode(), reply[1].decode())
                if isinstance(reply, redis.ResponseError):
                    self.close()  # perhaps it is not the server for this any more
            if not self._waiting and workers and time.monotonic() >= self._not_before:
                self._link.send([("BLPOP", *self._keys(workers), LONGEST_BLOCK)])
                self._waiting = True
        except LOST as error:
            log.debug("orders.trouble error=%s", error)
            self.close()
        return None

    def close(self) -> None:
        self._link.close()
        self._waiting = False
        self._not_before = time.monotonic() + PAUSE

    def _keys(self, workers: Sequence[str]) -> list[str]:
        return [f"{source.base}{keys.NAMES['control']}{worker}" for source in self._sources for worker in workers]

    def _parse(self, key: str, entry: str) -> tuple[str, str]:
        source = next(source for source in self._sources if key.startswith(source.base))
        return key.rpartition(":")[2], entry if entry in (STOP, RECYCLE) else f"{source.name}.{entry}"
