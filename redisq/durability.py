"""How safe a job is when its enqueue is acknowledged.

None        in the server's memory
"fsync"     on the server's disk: its append-only file is written with `appendfsync always`, so the answer comes after
            the fsync. Nothing else counts: under `everysec` servers have answered WAITAOF before the fsync.
"replica"   received by at least one replica (WAIT)

What a server can give is looked up before anything is enqueued, and again after every reconnect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis

from .connection import NotKnown, Route
from .endpoint import Command
from .errors import DurabilityUnsupported, NotDurable, RedisQError

#: Seconds that a replica has to confirm.
REPLICA_TIMEOUT = 2.0


def call(server: Route, durability: str, commands: Sequence[Command], patience: float) -> list[Any]:
    """Server.call, on a connection to a server of which it is known that it can give this. DurabilityUnsupported."""
    while True:
        require(server, durability, patience)
        try:
            return server.call([*commands, *_CONFIRMATIONS[durability]], patience, needs=_fact(durability))
        except NotKnown:
            continue  # it had to connect anew


def require(server: Route, durability: str, patience: float) -> None:
    """DurabilityUnsupported if the server cannot give it, as far as is known since the last connect."""
    if _fact(durability) not in server.known:
        _CHECKS[durability](server, patience)
        server.known.add(_fact(durability))


def confirm(server: Route, durability: str, replies: Sequence[Any], ids: tuple[str, ...], patience: float) -> None:
    """NotDurable, with the ids, if what was enqueued is not known to be as safe as was asked for."""
    if durability == "replica":
        if not isinstance(replies[-1], int) or replies[-1] < 1:
            raise NotDurable(f"no replica has confirmed it within {REPLICA_TIMEOUT:g} s: {replies[-1]}", ids)
        return
    try:
        require(server, durability, patience)  # asks again only if the reply was lost, and the call sent again
    except RedisQError as error:
        raise NotDurable(f"not known to be on disk: {error}", ids) from error


def _fact(durability: str) -> str:
    return f"durability:{durability}"


def _check_fsync(server: Route, patience: float) -> None:
    settings = _ask(server, [("CONFIG", "GET", "appendonly"), ("CONFIG", "GET", "appendfsync")], patience)
    policy = {name: value for reply in settings for name, value in zip(reply[::2], reply[1::2], strict=True)}
    if policy.get(b"appendonly") != b"yes" or policy.get(b"appendfsync") != b"always":
        raise DurabilityUnsupported("durability='fsync' needs a server with appendonly yes and appendfsync always")


def _check_replica(server: Route, patience: float) -> None:
    info = _ask(server, [("INFO", "replication")], patience)[0].decode()
    if "connected_slaves:0" in info or "role:master" not in info:
        raise DurabilityUnsupported("durability='replica' needs a primary with a replica, and none is connected")


def _ask(server: Route, commands: Sequence[Command], patience: float) -> list[Any]:
    replies = server.call(commands, patience)
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise DurabilityUnsupported(f"the server does not tell what it can give: {reply}") from reply
    return replies


_CONFIRMATIONS: Mapping[str, Sequence[Command]] = {
    "fsync": (),
    "replica": (("WAIT", 1, int(REPLICA_TIMEOUT * 1000)),),
}
_CHECKS: Mapping[str, Callable[[Route, float], None]] = {"fsync": _check_fsync, "replica": _check_replica}
