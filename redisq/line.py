"""Calls of an event loop's coroutines: answered without a thread while all is well.

A line is the fast way only: a connection that is up, which never blocks. Whatever is more than that goes the way of all
other calls, Route.call, in a thread: the first call, one after a loss, one whose answer may change when it is sent
again. So what is sent again, and for how long, is decided there alone.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import hiredis
import redis

from .connection import ELSEWHERE, CallLost, Link, Route, certain
from .endpoint import LOST, SOCKET_TIMEOUT, Command, pack, typed
from .errors import ServerRefused

#: What a call came to: its replies, or what it would have raised, such as CallLost and ServerRefused.
Outcome = list[Any] | Exception
T = TypeVar("T")

_CHUNK = 65536
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def in_thread(
    loop: asyncio.AbstractEventLoop,
    work: Callable[[], T],
    then: Callable[[T], None],
    otherwise: Callable[[], object] = bool,
) -> None:
    """Do what may block in a thread of its own, and go on with its answer in the loop; `otherwise` if that is closed.

    The thread holds up no exit: what it does can be cut off, as by a crash. `work` raises nothing.
    """

    def run() -> None:
        answer = work()
        try:
            loop.call_soon_threadsafe(then, answer)
        except RuntimeError:
            otherwise()

    threading.Thread(target=run, name="redisq-async", daemon=True).start()


class _Call:
    """Commands that go out in one write. `sent`: they may have been executed."""

    __slots__ = ("commands", "count", "ends_at", "replies", "sent", "then")

    def __init__(self, commands: Sequence[Command], then: Callable[[Outcome], None]) -> None:
        self.commands = commands
        self.then = then
        self.sent = False
        self.count = 0
        self.ends_at = 0.0
        self.replies: list[Any] = []


class Line:
    """One connection along a route, of one event loop, in whose thread all is done. Calls are answered in order.

    `detours`: how often calls went the other way, where they may have been sent again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, route: Route, patience: float) -> None:
        self.detours = 0
        self._loop = loop
        self._route = route
        self._patience = patience
        self._link: Link | None = None
        self._new_link: Link | None = None  # of the thread
        self._socket: Any = None
        self._reader: Any = None
        self._calls: deque[_Call] = deque()  # sent, the oldest first
        self._waiting: list[_Call] = []  # for the thread, or until it is back
        self._away = False
        self._unsent = b""
        self._timer: asyncio.TimerHandle | None = None

    def call(self, commands: Sequence[Command], then: Callable[[Outcome], None]) -> None:
        """As Route.call; `then` gets what it came to."""
        call = _Call(commands, then)
        if self._link is None:
            self._wait(call)
        else:
            self._send(call)

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """As Route.ask."""
        answered: asyncio.Future[Outcome] = self._loop.create_future()
        self.call(commands, lambda outcome: None if answered.done() else answered.set_result(outcome))
        outcome = await answered
        if isinstance(outcome, Exception):
            raise outcome
        for reply in outcome:
            if isinstance(reply, redis.ResponseError):
                raise ServerRefused(str(reply)) from reply
        return outcome

    def close(self) -> None:
        """Close the connection. Calls that it has not answered are sent again, as after any loss."""
        if not self._loop.is_closed():
            self._lose()
            return
        for link in (self._link, self._new_link):
            if link is not None:
                link.close()
        self._link = self._new_link = None

    # Up

    def _send(self, call: _Call) -> None:
        assert self._link is not None
        loads = self._link.loads(call.commands)
        call.count = len(loads) + len(call.commands)
        call.sent, call.ends_at = True, self._loop.time() + SOCKET_TIMEOUT
        self._calls.append(call)
        if self._timer is None:
            self._timer = self._loop.call_at(call.ends_at, self._on_time)
        data = pack([*loads, *call.commands])
        if self._unsent:
            self._unsent += data
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            written = self._socket.send(data)
        except _LATER:
            written = 0
        except LOST:
            self._lose()
            return
        if written < len(data) and not self._unsent:
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
        self._unsent = data[written:]

    def _on_writable(self) -> None:
        self._write(self._unsent)
        if self._socket is not None and not self._unsent:
            self._loop.remove_writer(self._socket.fileno())

    def _on_readable(self) -> None:
        try:
            while self._socket is not None:
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise ConnectionResetError("closed by the server")
                self._reader.feed(data)
                self._take()
                if not self._calls:
                    break
        except _LATER:
            pass
        except (*LOST, hiredis.ProtocolError):
            self._lose()

    def _take(self) -> None:
        """The replies that are complete."""
        while self._calls and (reply := self._reader.gets()) is not False:
            if isinstance(reply, LOST):  # as redis-py has some: the server is loading, or wants to know who we are
                raise reply
            call = self._calls[0]
            call.replies.append(typed(reply) if isinstance(reply, redis.ResponseError) else reply)
            if len(call.replies) == call.count:
                self._calls.popleft()
                self._answered(call)

    def _answered(self, call: _Call) -> None:
        assert self._link is not None
        replies, call.replies = call.replies[call.count - len(call.commands) :], []
        if not any(isinstance(reply, redis.ResponseError) for reply in replies):
            self._link.loaded(call.commands)
        elif self._is_trouble(call.commands, replies):
            call.sent = not all(isinstance(reply, redis.ResponseError) for reply in replies)
            self._wait(call)
            return
        call.then(replies)

    def _is_trouble(self, commands: Sequence[Command], replies: Sequence[Any]) -> bool:
        """Whether the thread has to go on with it."""
        assert self._link is not None
        moved = next((reply for reply in replies if isinstance(reply, ELSEWHERE)), None)
        if moved is not None:
            self._route.moved(moved)
            self._loop.call_soon(self._lose)  # later: there may be more to take
            return True
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            self._link.forget_scripts()
            return True
        return self._route.to_send_again(commands, replies)

    def _on_time(self) -> None:
        """The oldest call may be unanswered for too long."""
        self._timer = None
        if not self._calls:
            return
        if self._calls[0].ends_at <= self._loop.time():
            self._lose()
        else:
            self._timer = self._loop.call_at(self._calls[0].ends_at, self._on_time)

    def _lose(self) -> None:
        if self._link is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._link.close()
        self._link = self._socket = self._reader = None
        self._unsent = b""
        calls, self._calls = self._calls, deque()
        for call in calls:
            call.replies = []
            self._wait(call)

    # Not up

    def _wait(self, call: _Call) -> None:
        self._waiting.append(call)
        if not self._away:
            self._away = True
            self._loop.call_soon(self._go)  # with those that come at the same moment

    def _go(self) -> None:
        calls, self._waiting = self._waiting, []
        self.detours += 1
        in_thread(self._loop, lambda: self._work(calls), lambda outcomes: self._back(calls, outcomes), self.close)

    def _work(self, calls: Sequence[_Call]) -> list[Outcome]:
        """In the thread: what the calls came to. There is a new connection then, if there can be one now."""
        commands = [command for call in calls for command in call.commands]
        try:
            replies = iter(self._route.call(commands, self._patience))
            outcomes = [_final(call, [next(replies) for _ in call.commands]) for call in calls]
        except Exception as error:  # whatever it is, it is the callers'
            return [_final(call, error) for call in calls]
        with suppress(*LOST, redis.ResponseError):
            endpoint = self._route.endpoint()
            self._new_link = Link(self._route, endpoint, endpoint.acquire(fresh=True))
        return outcomes

    def _back(self, calls: Sequence[_Call], outcomes: Sequence[Outcome]) -> None:
        self._away = False
        link, self._new_link = self._new_link, None
        if link is not None and self._link is not None:  # it was not lost: an answer was not final
            link.close()
        elif link is not None:
            self._link = link
            self._socket, error_of = link.raw()
            self._reader = hiredis.Reader(replyError=error_of)
            self._loop.add_reader(self._socket.fileno(), self._on_readable)
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            if self._link is None or call.sent:
                self._wait(call)
            else:
                self._send(call)
        for call, outcome in zip(calls, outcomes, strict=True):
            call.then(outcome)


def _final(call: _Call, outcome: Outcome) -> Outcome:
    """What the call came to, when it is borne in mind that it was sent before."""
    if not call.sent:
        return outcome
    if isinstance(outcome, (CallLost, ServerRefused)):
        again = "" if isinstance(outcome, CallLost) else "refused when sent again: "
        lost = CallLost(f"{again}{outcome}", sent=True)
        lost.__cause__ = outcome.__cause__
        return lost
    try:
        return outcome if isinstance(outcome, Exception) else certain(outcome, sent=True)
    except CallLost as error:
        return error
