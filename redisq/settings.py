"""What all parts of one app share: the server, and how it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .codec import Codec
from .connection import Server
from .enqueueing import Observers
from .loops import Loops
from .scribe import Scribe
from .signing import Signer


class Retention(msgspec.Struct, frozen=True):
    """What is kept, so that nothing grows for ever. Numbers are per queue, times in seconds.

    The record of a succeeded job stays for its `result_ttl`, of a cancelled one for `cancelled_ttl`; beyond `ended`
    such records the oldest go earlier, but none in its first minute (ten, if the caller made the id), in which a call
    may be sent again. Dead letters stay for `dead_ttl`, the newest `dead` of them. A feed with `feed` unread entries
    refuses jobs. Of what a job logs, the newest `log_lines` lines stay as long as its record, each cut at
    `log_line_bytes`.
    """

    ended: int = 100_000
    cancelled_ttl: float = 86400.0
    dead: int = 10_000
    dead_ttl: float = 30 * 86400.0
    feed: int = 100_000
    log_lines: int = 100
    log_line_bytes: int = 1024

    @property
    def ended_args(self) -> tuple[int, int]:
        """As the scripts that end jobs take it: how many to keep, TTL of a cancelled one in ms."""
        return self.ended, int(self.cancelled_ttl * 1000)


#: Crashes that make a job a dead letter.
CRASH_LIMIT = 3


class Settings(msgspec.Struct, eq=False):
    """One app's server and settings. `lease` and `patience` are seconds.

    All that comes from an app has these, so `move_to` moves all of it. `announced`: when a queue's name was last
    written to the set of all queues; `eager`: what is done with jobs as soon as they are enqueued, see testing/;
    `observers`: who is told of what is enqueued, None if nobody is.
    """

    server: Server
    namespace: str
    codec: Codec
    lease: float
    patience: float
    retention: Retention
    durability: str | None = None
    signer: Signer | None = None
    loops: Loops = msgspec.field(default_factory=Loops)
    scribe: Scribe = msgspec.field(default_factory=Scribe)
    announced: dict[str, float] = msgspec.field(default_factory=dict)
    eager: Callable[[list[Any]], list[Any]] | None = None
    observers: Observers | None = None

    def move_to(self, server: Server) -> None:
        """Use this one from now on. What stands on the one before is to be closed first."""
        self.server, self.loops, self.scribe = server, Loops(), Scribe()
        self.announced.clear()
