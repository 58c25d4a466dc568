"""One server process, and connections to it.

redis-py opens the connections, packs commands and parses replies; its own retries are off, since it re-sends whatever
it was given. What is sent again is decided in connection.py.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry

from .errors import InvalidURL

Command = Sequence[Any]

#: Seconds for which an idle connection is not looked at before it is used again.
TRUSTED_FOR = 1.0
#: Seconds for a connection to be made.
CONNECT_TIMEOUT = 2.0
#: Seconds for a reply: more than the longest block, so that a reply that takes longer means a dead connection.
SOCKET_TIMEOUT = 5.0

CLUSTER_ERRORS: dict[str, type[redis.ResponseError]] = {
    "MOVED": redis.exceptions.MovedError,
    "ASK": redis.exceptions.AskError,
    "TRYAGAIN": redis.exceptions.TryAgainError,
    "CLUSTERDOWN": redis.exceptions.ClusterDownError,
}
#: What a connection raises that was lost, or could not be made.
LOST = (redis.ConnectionError, redis.TimeoutError, OSError)

_pack: Callable[[Any], bytes] = pack_command


def pack(commands: Sequence[Command]) -> bytes:
    """Commands as they go over the wire."""
    return b"".join(map(_pack, commands))


def _is_stale(connection: Any) -> bool:
    """Nothing should come over an idle connection: what can be read is its end."""
    try:
        return bool(connection.can_read(0))
    except LOST:
        return True


class Endpoint:
    """One server process: connections to it, and what is known of it. Threads and forks may share it.

    `known`: digests of scripts that it has, and the durability that it gives; empty after a reconnect. `closes`: how
    often it was closed. `check` looks at each new connection, and raises what is wrong with it. `timeout`: seconds for
    a reply.
    """

    def __init__(
        self, url: str, check: Callable[[Any], None] = lambda connection: None, timeout: float = SOCKET_TIMEOUT
    ) -> None:
        self.url = url
        self.known: set[str] = set()
        self._check = check
        self._idle: deque[tuple[Any, float]] = deque()
        self.closes = 0
        self._pid = os.getpid()
        try:
            # for its reading of URLs only: a pool of redis-py holds a lock that may stay locked after a fork
            pool = redis.ConnectionPool.from_url(
                url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._on_connect,
                socket_timeout=timeout,
                socket_connect_timeout=min(timeout, CONNECT_TIMEOUT),
            )
        except ValueError as error:
            raise InvalidURL(f"not a server's URL: {error}") from None
        self.connection: Callable[[], Any] = partial(pool.connection_class, **pool.connection_kwargs)

    def acquire(self, fresh: bool = False) -> Any:
        """A connection, which is to be released. One that was idle for long, or is to be `fresh`, is looked at first:
        the server may have closed it.
        """
        if self._pid != os.getpid():
            self._pid, self._idle = os.getpid(), deque()
        try:
            connection, since = self._idle.pop()
        except IndexError:
            connection = self.connection()
        else:
            if (fresh or time.monotonic() - since > TRUSTED_FOR) and _is_stale(connection):
                connection.disconnect()
        connection.connect()
        return connection

    def release(self, connection: Any, closes: int) -> None:
        """`closes`: what it was before `acquire`. What is released after a close, by a thread, is closed too."""
        if closes != self.closes:
            connection.disconnect()
        else:
            self._idle.append((connection, time.monotonic()))

    def close(self) -> None:
        """Close what is idle."""
        self.closes += 1
        while self._idle:
            self._idle.pop()[0].disconnect()

    def ask(self, *commands: Command) -> list[Any]:
        """The answers, over a connection of their own. An error that is answered is raised."""
        connection = self.connection()
        try:
            connection.connect()
            connection.send_packed_command([pack(commands)])
            return [connection.read_response() for _ in commands]
        finally:
            connection.disconnect()

    def _on_connect(self, connection: Any) -> None:
        self.known.clear()
        connection.on_connect()
        self._check(connection)


def typed(error: redis.ResponseError) -> redis.ResponseError:
    """The error in a class of its own: before version 6, redis-py knows a cluster's answers only by its own client."""
    code, _, rest = str(error).partition(" ")
    return CLUSTER_ERRORS[code](rest) if type(error) is redis.ResponseError and code in CLUSTER_ERRORS else error
