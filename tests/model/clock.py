"""A clock that the tests turn: while it is in place, the scripts read it instead of the server's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from redisq.scripts import BY_SHA

KEY = "clock"
START = 1_700_000_000_000

_TIME = "local t = redis.call('TIME')"
_NOW = "return t[1] * 1000 + math.floor(t[2] / 1000)"


@contextmanager
def in_place() -> Iterator[None]:
    """Every script of the library takes the time, in ms, from the key `clock`. TTLs remain real."""
    before = {script: (script.source, script.sha) for script in BY_SHA.values()}
    turned = 0
    for script in before:
        if "'TIME'" in script.source:
            source = script.source.replace(_TIME, "").replace(_NOW, f"return tonumber(redis.call('GET', '{KEY}'))")
            assert "'TIME'" not in source, f"{script.name} reads the time in another way"
            assert KEY in source, f"{script.name} reads the time in another way"
            script.source, script.sha = source, hashlib.sha1(source.encode()).hexdigest()
            BY_SHA[script.sha] = script
            turned += 1
    assert turned > 5, "no script reads the time"
    try:
        yield
    finally:
        for script, (source, sha) in before.items():
            if script.sha != sha:
                del BY_SHA[script.sha]
            script.source, script.sha = source, sha


class Clock:
    """The time on a server, in ms."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.now = START
        self.turn(0)

    def turn(self, ms: int) -> None:
        """Let time pass, or step back."""
        self.now += ms
        self._client.set(KEY, self.now)
