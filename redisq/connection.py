"""From a URL to a server's answers. Time-outs and what is sent again are decided here, in one place.

redis-py opens the connections, packs commands and parses replies; its own retries are off, since it re-sends whatever
it was given. Here only a whole call is sent again, and every call that redisq makes can be: each is known by an id or a
number.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
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


class NotKnown(Exception):
    """What a call needs is not known of the server that would have got it; nothing was sent."""


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
    """One connection at a time, used by one thread. `connect` makes it, and makes another after a loss.

    `known`: what is known of the server, such as digests of scripts that it has; whoever connects empties it.
    """

    def __init__(self, connect: Callable[[], Any], known: set[str], connection: Any = None) -> None:
        self._connect = connect
        self._known = known
        self._connection = connection

    def send(self, commands: Sequence[Command]) -> None:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.connect()
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
        """Send commands in one write and read their replies.

        A script that the server is not known to have is sent along, so that nothing waits in front of it in vain.
        """
        try:
            replies = self._exchange(commands)
            missing = [i for i, reply in enumerate(replies) if isinstance(reply, redis.exceptions.NoScriptError)]
            if missing:  # somebody emptied the script cache
                self._known.clear()
                again = self._exchange([commands[i] for i in missing])
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
        except BaseException:
            self.close()
            raise
        if any(isinstance(reply, redis.ReadOnlyError) for reply in replies):
            self.close()  # this server is no primary any more: find out who is
        return replies

    def readable(self, timeout: float = 0.0) -> bool:
        """Whether a reply has begun to arrive."""
        return self._connection is not None and bool(self._connection.can_read(timeout))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        wanted = {command[1] for command in commands if command[0] == "EVALSHA"}
        loads = [("SCRIPT", "LOAD", BY_SHA[sha].source) for sha in wanted - self._known]
        self.send([*loads, *commands])
        replies = self.receive(len(loads) + len(commands))
        self._known.update(wanted)
        return replies[len(loads) :]


class Server:
    """Connections to a server by URL. Opens none before the first call; threads and forks may share it.

    `known`: what is known of the server: digests of scripts, and the durability that it gives. Empty after a reconnect.
    """

    def __init__(self, url: str) -> None:
        self.url = check_url(url)
        self.known: set[str] = set()
        self._pool: redis.ConnectionPool | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Server {redact(self.url)}>"

    def link(self) -> Link:
        """A connection of the caller's own; it connects when it is first used, and again after it was lost."""
        times = count()
        return Link(lambda: self._connections(anew=next(times) > 0).make_connection(), self.known)

    def call(self, commands: Sequence[Command], patience: float = PATIENCE, needs: str | None = None) -> list[Any]:
        """Answers of the commands, sent in one write, on a connection of the pool.

        Sent again for `patience` seconds while no answer comes: CallLost then. An error that the server answered is in
        its place in the list. NotKnown, before anything is sent, if `needs` is not among what is known of the server.
        """
        deadline, sent, anew = time.monotonic() + patience, False, False
        for delay in reconnect_delays(longest=1.0):
            pool, connection, replies = self._connections(anew), None, None
            try:
                connection = pool.get_connection()
                if needs and needs not in self.known and not sent:
                    raise NotKnown(needs)
                replies = Link(pool.make_connection, self.known, connection).round_trip(commands)
            except LOST as error:
                # a server that says that it is loading has executed nothing
                sent = sent or (connection is not None and not isinstance(error, redis.BusyLoadingError))
                anew = True
                if time.monotonic() + delay > deadline:
                    raise CallLost(f"no answer from {redact(self.url)}: {error}", sent) from error
            finally:
                if connection is not None:
                    pool.release(connection)
            refusal = next((reply for reply in replies or () if isinstance(reply, redis.ResponseError)), None)
            if sent and refusal is not None:  # the first may have been executed
                raise CallLost(f"refused when sent again: {refusal}", sent) from refusal
            if replies is not None:
                return replies
            time.sleep(delay)
        raise AssertionError("the delays never end")

    def close(self) -> None:
        """Close what is idle. A later call opens connections anew."""
        if self._pool is not None:
            self._pool.disconnect()

    def _connections(self, anew: bool = False) -> redis.ConnectionPool:
        """The pool. `anew`: after a loss; an embedded server may have to be started again."""
        if self._pool is None or (anew and self.url.startswith("embedded:")):
            if self._pid != os.getpid():  # a lock that another thread held at a fork stays locked in the child
                self._pid, self._lock = os.getpid(), threading.Lock()
            with self._lock:
                if self._pool is None or anew:
                    self._pool = self._make_pool()
        return self._pool

    def _make_pool(self) -> redis.ConnectionPool:
        url = embedded.connect(urlsplit(self.url).path) if self.url.startswith("embedded:") else self.url
        try:
            return redis.ConnectionPool.from_url(
                url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._on_connect,
                socket_timeout=SOCKET_TIMEOUT,
                socket_connect_timeout=CONNECT_TIMEOUT,
                max_connections=2**31,
            )
        except ValueError as error:
            raise InvalidURL(f"not a server's URL: {error}") from None

    def _on_connect(self, connection: Any) -> None:
        self.known.clear()
        connection.on_connect()
