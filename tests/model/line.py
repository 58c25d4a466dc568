"""What can happen to a round trip: every one that the library makes passes here, and a test says what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any
from unittest.mock import patch

import redis

from redisq.connection import Link
from redisq.endpoint import Command

#: The connection dies before anything is sent; the server executes and the reply is lost; the process stops after the
#: reply.
BEFORE, LOST, STOP = "before it is sent", "reply lost", "stop after the reply"


class Stopped(BaseException):
    """The process ends here: nothing of it may run any more."""


class Line:
    """Counts the round trips of this process. `plan`: number of a round trip (from 1) -> what becomes of it."""

    def __init__(self) -> None:
        self.trips = 0
        self.plan: dict[int, str] = {}
        self._send = Link.send
        self._receive = Link.receive

    @contextmanager
    def in_place(self) -> Iterator[Line]:
        """Between the library and the server. What is lost is sent again at once."""
        at_once = [
            patch(f"redisq.{module}.reconnect_delays", lambda longest: repeat(0.0))
            for module in ("claimer", "connection")
        ]
        with (
            patch.object(Link, "send", lambda link, commands: self.send(link, commands)),
            patch.object(Link, "receive", lambda link, count: self.receive(link, count)),
            at_once[0],
            at_once[1],
            patch("redisq.claimer.KEEP_EVERY", 3600.0),  # what is sent again never keeps house
        ):
            yield self

    def next(self, fate: str | None, after: int = 0) -> None:
        """What becomes of the next round trip, or of one `after` that; None for nothing special."""
        self.plan = {self.trips + 1 + after: fate} if fate else {}

    def send(self, link: Link, commands: Sequence[Command]) -> None:
        self.trips += 1
        if self.plan.get(self.trips) == BEFORE:
            raise redis.ConnectionError("lost before it was sent")
        self._send(link, commands)

    def receive(self, link: Link, count: int) -> list[Any]:
        replies = self._receive(link, count)
        fate = self.plan.get(self.trips)
        if fate == LOST:
            raise redis.ConnectionError("the reply was lost")
        if fate == STOP:
            raise Stopped
        return replies
