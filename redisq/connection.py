"""From a URL to a server's answers. Time-outs and what is sent again are decided here, in one place.

redis-py opens the connections, packs commands and parses replies; its own retries are off, since it re-sends whatever
it was given. Here only a whole call is sent again, and every call that redisq makes can be: each is known by an id or a
number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import embedded
from .errors import InvalidURL, ServerUnavailable
from .retry import reconnect_delays
from .scripts import BY_SHA, Script

Command = Sequence[Any]

#: Seconds for a connection to be made.
CONNECT_TIMEOUT = 2.0
#: Seconds for a reply: more than the longest block, so that a reply that takes longer means a dead connection.
SOCKET_TIMEOUT = 5.0
#: Seconds for which a server keeps a blocked call at most.
LONGEST_BLOCK = 2.0
#: Seconds for which a call is sent again before it gives up. Tombstones outlive it by far.
PATIENCE = 10.0

SCHEMES = ("redis", "rediss", "unix", "embedded")
LOST = (redis.ConnectionError, redis.TimeoutError, OSError)


class CallLost(ServerUnavailable):
    """A call was not answered, also when sent again. `sent`: it may have been executed all the same."""

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


def evalsha(script: Script, keys: Sequence[str], args: Sequence[Any]) -> Command:
    """A script's call as a raw command: unlike redis-py's Script objects it costs no round trip in a pipeline."""
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


def redact(url: str) -> str:
    """The URL without its password, for logs and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"))


def check_url(url: str) -> str:
    """The URL, if its form is right; opens nothing."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidURL(f"not a server's URL: {error}") from None
    if parts.scheme not in SCHEMES:
        raise InvalidURL(f"not a server's URL: {redact(url)!r} ({', '.join(f'{scheme}://' for scheme in SCHEMES)})")
    return url


class Link:
    """One connection, used by one thread. `loaded`: digests of scripts that its server has."""

    def __init__(self, connection: Any, loaded: set[str] | None = None) -> None:
        self._connection = connection
        self._loaded = set() if loaded is None else loaded

    def send(self, commands: Sequence[Command]) -> None:
        self._connection.send_packed_command([b"".join(self._connection.pack_commands(commands))])

    def receive(self, count: int) -> list[Any]:
        """That many replies; an error that the server answered is in its place in the list."""
        replies: list[Any] = []
        for _ in range(count):
            try:
                replies.append(self._connection.read_response())
            except redis.ResponseError as error:
                replies.append(error)
        return replies

    def round_trip(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one write and read their replies. A script that the server lacks is sent along, or sent
        after.
        """
        wanted = {command[1] for command in commands if command[0] == "EVALSHA"}
        try:
            replies = self._exchange(commands, wanted - self._loaded)
            missing = [i for i, reply in enumerate(replies) if isinstance(reply, redis.exceptions.NoScriptError)]
            if missing:  # somebody emptied the script cache
                again = self._exchange([commands[i] for i in missing], {commands[i][1] for i in missing})
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
            self._loaded |= wanted
        except BaseException:
            self.close()
            raise
        if any(isinstance(reply, redis.ReadOnlyError) for reply in replies):
            self.close()  # this server is no primary any more: find out who is
        return replies

    def _exchange(self, commands: Sequence[Command], scripts: set[str]) -> list[Any]:
        loads = [("SCRIPT", "LOAD", BY_SHA[sha].source) for sha in scripts]
        self.send([*loads, *commands])
        replies = self.receive(len(loads) + len(commands))
        return replies[len(loads) :]

    def readable(self, timeout: float = 0.0) -> bool:
        """Whether a reply has begun to arrive."""
        return bool(self._connection.can_read(timeout))

    def close(self) -> None:
        self._connection.disconnect()
        self._loaded.clear()  # the server that answers next may be another


class Server:
    """Connections to a server by URL. Opens none before the first call; threads and forks may share it."""

    def __init__(self, url: str) -> None:
        self.url = check_url(url)
        self._pool: redis.ConnectionPool | None = None
        self._loaded: set[str] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Server {redact(self.url)}>"

    def link(self) -> Link:
        """A connection of the caller's own; it connects when it is first used, and again after it was lost."""
        return Link(self._connections().make_connection())

    def call(self, commands: Sequence[Command], patience: float = PATIENCE) -> list[Any]:
        """Answers of the commands, sent in one write, on a connection of the pool.

        Sent again for `patience` seconds while no answer comes: CallLost then. An error that the server answered is in
        its place in the list.
        """
        deadline, sent = time.monotonic() + patience, False
        for delay in reconnect_delays(longest=1.0):
            pool, connection, replies = self._connections(), None, None
            try:
                connection = pool.get_connection()
                replies = Link(connection, self._loaded).round_trip(commands)
            except LOST as error:
                # a server that says that it is loading has executed nothing
                sent = sent or (connection is not None and not isinstance(error, redis.BusyLoadingError))
                if time.monotonic() + delay > deadline:
                    raise CallLost(f"no answer from {redact(self.url)}: {error}", sent) from error
                self._forget()
            finally:
                if connection is not None:
                    pool.release(connection)
            refusal = next((reply for reply in replies or () if isinstance(reply, redis.ResponseError)), None)
            if sent and refusal is not None:
                raise CallLost(
                    f"refused when sent again: {refusal}", sent
                ) from refusal  # the first may have been executed
            if replies is not None:
                return replies
            time.sleep(delay)
        raise AssertionError("the delays never end")

    def close(self) -> None:
        """Close what is idle. A later call opens connections anew."""
        if self._pool is not None:
            self._pool.disconnect()

    def _connections(self) -> redis.ConnectionPool:
        pool = self._pool
        if pool is None:
            with self._lock:
                pool = self._pool = self._pool or self._make_pool()
        return pool

    def _make_pool(self) -> redis.ConnectionPool:
        url = embedded.connect(urlsplit(self.url).path) if self.url.startswith("embedded:") else self.url
        try:
            return redis.ConnectionPool.from_url(
                url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=SOCKET_TIMEOUT,
                socket_connect_timeout=CONNECT_TIMEOUT,
                max_connections=2**31,
            )
        except ValueError as error:
            raise InvalidURL(f"not a server's URL: {error}") from None

    def _forget(self) -> None:
        """After a loss, look the server up anew: an embedded one may have to be started again."""
        if self.url.startswith("embedded:"):
            self._pool = None
