"""What an app has in each event loop: connections and what stands on them. Loops never share, and nothing is made
before a coroutine first needs it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from .connection import Route
from .ids import nonce
from .line import Line


class Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


def new_mailbox() -> str:
    """A name for one. No job id begins so."""
    return f"@{nonce(16)}"


class Loop:
    """One event loop's part of an app; in its thread only. `mailbox`: the name of its own, see watch.py."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mailbox: str) -> None:
        self.loop = loop
        self.mailbox = mailbox
        self._things: dict[object, Closable] = {}

    def get(self, key: object, make: Callable[[Loop], C]) -> C:
        """What is kept under the key, which is of one kind; made when first asked for."""
        thing = self._things.get(key)
        if thing is None:
            thing = self._things[key] = make(self)
        return thing  # type: ignore[return-value]

    def line(self, route: Route, patience: float, what: str = "calls") -> Line:
        """The connection along a route, for calls or for what blocks."""
        return self.get((what, route), lambda here: Line(here.loop, route, patience))

    def close(self) -> None:
        """Close the connections. What is awaited goes on, over new ones."""
        for thing in list(self._things.values()):
            thing.close()


class Loops:
    """An app's part of each event loop that uses it. Threads and forks may share it."""

    def __init__(self) -> None:
        self._by_loop: dict[asyncio.AbstractEventLoop, Loop] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def here(self) -> Loop:
        """That of the running loop. RuntimeError if none runs in this thread."""
        running = asyncio.get_running_loop()
        loop = self._by_loop.get(running)
        return loop if loop is not None and self._pid == os.getpid() else self.add(running, new_mailbox())

    def add(self, running: asyncio.AbstractEventLoop, mailbox: str) -> Loop:
        """That of a loop which is new here."""
        if self._pid != os.getpid():  # the parent's connections are the parent's
            self._pid, self._lock, self._by_loop = os.getpid(), threading.Lock(), {}
        with self._lock:
            for gone in [loop for loop in self._by_loop if loop.is_closed()]:
                self._by_loop.pop(gone).close()
            return self._by_loop.setdefault(running, Loop(running, mailbox))

    def close(self) -> None:
        """Close all connections, those of a loop that runs elsewhere as soon as it comes to it."""
        for loop in list(self._by_loop.values()):
            self._close(loop)

    def forget(self, running: asyncio.AbstractEventLoop) -> None:
        """This loop needs nothing any more."""
        loop = self._by_loop.pop(running, None)
        if loop is not None:
            loop.close()

    def _close(self, loop: Loop) -> None:
        if self._pid != os.getpid():
            return
        if loop.loop.is_running():
            with suppress(RuntimeError):  # closed meanwhile
                loop.loop.call_soon_threadsafe(loop.close)
        else:
            loop.close()
