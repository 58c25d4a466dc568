"""From a URL to a server's answers: where a call goes, and when it is sent again.

Only a whole call is sent again, and every call that redisq makes can be: each is known by an id or a number.

Route       leads to the endpoint that a call is for at the moment; sends calls
Server      the route to all keys: one server here; sentinel.py and cluster.py have the others
Link        one connection along a route, of one thread
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import redis

from . import embedded
from .endpoint import LOST, Command, Endpoint, pack, typed
from .errors import ServerRefused, ServerUnavailable
from .retry import reconnect_delays
from .scripts import BY_SHA, Script
from .urls import check_url, redact

#: Seconds for a sign of life, where others wait meanwhile.
PROBE_TIMEOUT = 0.5
#: Seconds for which a server keeps a blocked call at most.
LONGEST_BLOCK = 2.0
#: Seconds for which a call is sent again before it gives up. Tombstones outlive it by far.
PATIENCE = 10.0

#: Answers of a server that is not, or no more, the one for this call.
ELSEWHERE = (redis.ReadOnlyError, redis.exceptions.MovedError)


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


class Link:
    """One connection at a time, used by one thread. It connects when it is first used, and again after a loss.

    `endpoint`: where it is connected to, or was last.
    """

    def __init__(self, route: Route, endpoint: Endpoint | None = None, connection: Any = None) -> None:
        self._route = route
        self._connection = connection
        self.endpoint = endpoint

    @property
    def connected(self) -> bool:
        """False before the first call, and after a loss."""
        return self._connection is not None

    def send(self, commands: Sequence[Command]) -> None:
        self._connect()
        self._connection.send_packed_command([pack(commands)])

    def receive(self, count: int) -> list[Any]:
        """That many replies; an error that the server answered is in its place in the list."""
        replies: list[Any] = []
        for _ in range(count):
            try:
                replies.append(self._connection.read_response())
            except redis.ResponseError as error:
                replies.append(typed(error))
        return replies

    def round_trip(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one write and read their replies.

        A script that the server is not known to have is sent along, so that nothing waits in front of it in vain.
        """
        try:
            replies = self._exchange(commands)
            missing = [i for i, reply in enumerate(replies) if isinstance(reply, redis.exceptions.NoScriptError)]
            if missing:  # somebody emptied the script cache
                self.forget_scripts()
                again = self._exchange([commands[i] for i in missing])
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
        except BaseException:
            self.close()
            raise
        for reply in replies:
            if isinstance(reply, ELSEWHERE):
                self._route.moved(reply)
                self.close()
        return replies

    def post(self, commands: Sequence[Command]) -> None:
        """Send commands whose replies are for `receive`. A script that the server turns out not to have is refused."""
        try:
            self.send(commands)
        except BaseException:
            self.close()
            raise

    def readable(self, timeout: float = 0.0) -> bool:
        """Whether a reply begins to arrive within that many seconds."""
        return self._connection is not None and bool(self._connection.can_read(timeout))

    def fileno(self) -> int:
        """Of the socket, to wait for several."""
        return int(self._connection._sock.fileno())

    def loads(self, commands: Sequence[Command]) -> list[Command]:
        """What is to be sent before these, so that the server has their scripts."""
        wanted = {command[1] for command in commands if command[0] == "EVALSHA"}
        return [("SCRIPT", "LOAD", BY_SHA[sha].source) for sha in wanted - self._known()]

    def loaded(self, commands: Sequence[Command]) -> None:
        """The server has the scripts of these."""
        self._known().update(command[1] for command in commands if command[0] == "EVALSHA")

    def forget_scripts(self) -> None:
        """It turned out that the server does not have them."""
        self._known().clear()

    def raw(self) -> tuple[Any, Callable[[str], Exception]]:
        """The socket, from now on for a reader that never blocks; and what makes an error's text an error."""
        self._connection._sock.setblocking(False)
        return self._connection._sock, self._connection._parser.parse_error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _connect(self) -> None:
        if self._connection is None:
            self.endpoint = self._route.endpoint(lost=self.endpoint)
            self._connection = self.endpoint.connection()
            self._connection.connect()

    def _known(self) -> set[str]:
        return self.endpoint.known if self.endpoint else set()

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        self._connect()  # first: what is known of the server may change by it
        loads = self.loads(commands)
        self.send([*loads, *commands])
        replies = self.receive(len(loads) + len(commands))
        self.loaded(commands)
        return replies[len(loads) :]


class Route(ABC):
    """Leads to the endpoint that calls are for at the moment. Threads and forks may share it."""

    @abstractmethod
    def endpoint(self, lost: Endpoint | None = None) -> Endpoint:
        """Where to connect to. `lost`: the one where a call has just failed: find out if it still is that."""

    @property
    def known(self) -> set[str]:
        """What is known of the endpoint; see there."""
        try:
            return self.endpoint().known
        except LOST:
            return set()

    @abstractmethod
    def moved(self, error: redis.ResponseError) -> None:
        """The endpoint has answered that it is not the one for this call."""

    def passes(self, command: Command, error: redis.ResponseError) -> bool:
        """Whether this answer changes by itself, or elsewhere: then the call is sent again as if it had been lost."""
        return False

    def probe(self, lost: Endpoint | None = None) -> None:
        """Look for a sign of life of the endpoint, for less long than a call would. What is wrong is raised: LOST."""
        Endpoint(self.endpoint(lost).url, timeout=PROBE_TIMEOUT).ask(("PING",))

    def link(self) -> Link:
        """A connection of the caller's own."""
        return Link(self)

    def call(self, commands: Sequence[Command], patience: float = PATIENCE, needs: str | None = None) -> list[Any]:
        """Answers of the commands, sent in one write, on a connection of the pool.

        Sent again for `patience` seconds while no answer comes: CallLost then. An error that the server answered is in
        its place in the list. NotKnown, before anything is sent, if `needs` is not among what is known of the server.
        """
        deadline, sent, lost = time.monotonic() + patience, False, None
        for delay in reconnect_delays(longest=1.0):
            endpoint, connection, closes = None, None, 0
            try:
                endpoint = self.endpoint(lost)
                closes = endpoint.closes
                connection = endpoint.acquire(fresh=needs is not None)
                if needs and needs not in endpoint.known and not sent:
                    raise NotKnown(needs)
                replies = Link(self, endpoint, connection).round_trip(commands)
            except LOST as error:
                # a server that says that it is loading has executed nothing
                sent = sent or (connection is not None and not isinstance(error, redis.BusyLoadingError))
                if time.monotonic() + delay > deadline:
                    raise CallLost(f"no answer from {self!r}: {error}", sent) from error
            except redis.ResponseError as error:  # only while connecting: other refusals are among the replies
                if sent:
                    raise CallLost(f"refused when sent again: {error}", sent) from error
                raise ServerRefused(str(error)) from error
            else:
                if time.monotonic() + delay > deadline or not self.to_send_again(commands, replies):
                    return certain(replies, sent)
            finally:
                if endpoint is not None and connection is not None:
                    endpoint.release(connection, closes)
            lost = endpoint or lost
            time.sleep(delay)
        raise AssertionError("the delays never end")

    def ask(self, commands: Sequence[Command], patience: float = PATIENCE) -> list[Any]:
        """As `call`, for who can do nothing with a refusal: ServerRefused for the first."""
        replies = self.call(commands, patience)
        for reply in replies:
            if isinstance(reply, redis.ResponseError):
                raise ServerRefused(str(reply)) from reply
        return replies

    def to_send_again(self, commands: Sequence[Command], replies: Sequence[Any]) -> bool:
        """Whether one of these answers passes."""
        return any(
            isinstance(reply, redis.ResponseError) and self.passes(command, reply)
            for command, reply in zip(commands, replies, strict=True)
        )


def certain(replies: list[Any], sent: bool) -> list[Any]:
    """The replies. CallLost if they are a refusal and it was sent before: the first may have been executed."""
    refusal = next((reply for reply in replies if isinstance(reply, redis.ResponseError)), None)
    if sent and refusal is not None:
        raise CallLost(f"refused when sent again: {refusal}", sent) from refusal
    return replies


class Based(Protocol):
    """What stands in one slot: all its keys begin with `base`."""

    @property
    def base(self) -> str: ...


B = TypeVar("B", bound=Based)


class Server(Route):
    """The route to all keys of a URL: to one server, unless a subclass knows better. Opens no connection before the
    first call.
    """

    def __init__(self, url: str) -> None:
        self.url = check_url(url)
        self._endpoint: Endpoint | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {redact(self.url)}>"

    def shard(self, key: str) -> Route:
        """The route to the slot of this key."""
        return self

    def groups(self, sources: Sequence[B]) -> list[list[B]]:
        """The sources, in order, each group in one slot: what one script can claim from."""
        return [list(sources)]

    def endpoint(self, lost: Endpoint | None = None) -> Endpoint:
        if self._endpoint is None or self._endpoint is lost:
            with self.lock():
                if self._endpoint is None or self._endpoint is lost:
                    self._endpoint = self._locate(lost)
        return self._endpoint

    def moved(self, error: redis.ResponseError) -> None:
        pass  # whoever connects again looks for it

    def lock(self) -> threading.Lock:
        """Of who looks for an endpoint."""
        if self._pid != os.getpid():  # a lock that another thread held at a fork stays locked in the child
            self._pid, self._lock = os.getpid(), threading.Lock()
        return self._lock

    def close(self) -> None:
        """Close what is idle. A later call opens connections anew."""
        if self._endpoint is not None:
            self._endpoint.close()

    def _locate(self, lost: Endpoint | None) -> Endpoint:
        if self.url.startswith("embedded:"):  # it may have to be started again
            return Endpoint(embedded.connect(unquote(urlsplit(self.url).path)))
        return lost or Endpoint(self.url)
