"""What a supervisor tells of its children, for people: memory, versions, since when each runs.

It is written beside the renewals of leases, and no job waits for it. It expires with the lease if nobody renews it.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from .. import __version__, keys
from ..claimed import Source
from ..endpoint import Command
from ..errors import RedisQError
from ..survey import Facts
from .process import Process
from .recycling import resident

log = logging.getLogger(__name__)

_MIB = 1024 * 1024


class Telling:
    """Tells of the children each quarter of a lease (seconds), and at once of one that is new."""

    def __init__(
        self, sources: Sequence[Source], lease: float, call: Callable[[Sequence[Command]], list[Any]]
    ) -> None:
        """`call` sends commands or raises RedisQError."""
        self._sources = list(sources)
        self._lease = lease
        self._call = call
        self._tell_at = 0.0
        self._told: list[str] = []

    def look(self, children: Sequence[Process]) -> None:
        """Called at each tick. What cannot be told now is told at the next turn."""
        workers = [child.worker for child in children]
        if not children or (time.monotonic() < self._tell_at and workers == self._told):
            return
        self._tell_at, self._told = time.monotonic() + self._lease / 4, workers
        memory = resident([child.pid for child in children])
        ttl = int(1000 * self._lease)
        commands: list[Command] = []
        for child in children:
            facts = _facts(child, memory.get(child.pid))
            for source in self._sources:
                commands.append(("SET", f"{source.base}{keys.NAMES['facts']}{child.worker}", facts, "PX", ttl))
        try:
            self._call(commands)
        except RedisQError as error:
            log.debug("facts.untold error=%s", error)


def _facts(child: Process, mib: float | None) -> bytes:
    memory = None if mib is None else round(mib * _MIB)
    started = time.time() - (time.monotonic() - child.started)
    return msgspec.json.encode(Facts(__version__, platform.python_version(), round(started * 1000), memory))
