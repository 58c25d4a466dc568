"""A cluster: each key is on the node that has its slot. The map of slots is asked for when it is first needed, and when
a node is lost or answers that it has a slot no more.

While a slot is being moved key by key, no script may run in it: it would work on half of a queue. A cluster looks only
at the keys that a call declares, which for a script is the base of a queue, and no key is named so. So the old node
answers ASK: the new one might have it. That is followed for plain commands, and never for scripts: all of a queue's
transitions wait until its slot has moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from .connection import PATIENCE, B, CallLost, Route, Server
from .endpoint import LOST, Command, Endpoint
from .urls import address, cluster_nodes

#: Seconds for a node to tell the map of slots, before the next one is asked.
MAP_TIMEOUT = 1.0
#: Beginnings of answers that pass; see sentinel.py.
PASSING = ("NOREPLICAS", "UNBLOCKED")
PASSING_TYPES = (redis.ReadOnlyError, MovedError, TryAgainError, ClusterDownError)

ASKING: Command = ("ASKING",)
KEYLESS = frozenset({"TIME", "WAIT", "INFO", "CONFIG", "SCAN"})


@lru_cache(maxsize=4096)
def slot_of(tag: str) -> int:
    return int(key_slot(tag.encode()))


def slot(key: str) -> int:
    """The slot of a key. Keys of one queue are many, and have one tag."""
    end = key.find("}") + 1
    return slot_of(key[:end] or key)


def slot_for(command: Command) -> int | None:
    """The slot of a command's first key; None for one without a key."""
    position = 3 if command[0] == "EVALSHA" else 1
    if command[0] in KEYLESS or len(command) <= position:
        return None
    return slot(str(command[position]))


class Cluster(Server):
    """The route to all keys of a cluster, by its shards. What has no key may go to any node."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._nodes = cluster_nodes(url)
        self._owners: dict[int, str] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._shards: dict[int, Shard] = {}
        self._troubled: set[int | None] = set()

    def shard(self, key: str) -> Route:
        return self._shard(slot(key))

    def groups(self, sources: Sequence[B]) -> list[list[B]]:
        # neighbours only: sources are in the order of their priority
        return [list(group) for _, group in groupby(sources, lambda source: slot(source.base))]

    def call(self, commands: Sequence[Command], patience: float = PATIENCE, needs: str | None = None) -> list[Any]:
        """As for one server, a write per slot. All slots are tried, whatever is lost in one."""
        slots: dict[int | None, list[int]] = {}
        for i, command in enumerate(commands):
            slots.setdefault(slot_for(command), []).append(i)
        replies: list[Any] = [None] * len(commands)
        lost: CallLost | None = None
        for number in sorted(slots, key=self._troubled.__contains__):  # a frozen node holds nobody else up
            call = super().call if number is None else self._shard(number).call
            try:
                if number in self._troubled and len(slots) > 1:
                    self._check(number)
                answers = call([commands[i] for i in slots[number]], patience, needs)
            except CallLost as error:
                lost, patience = lost or error, 0.0
                self._troubled.add(number)
            else:
                self._troubled.discard(number)
                for i, answer in zip(slots[number], answers, strict=True):
                    replies[i] = answer
        if lost is not None:
            raise lost
        return replies

    def owner(self, slot: int, lost: Endpoint | None = None) -> Endpoint:
        """The endpoint that has the slot. redis.ConnectionError if none is known to."""
        if slot not in self._owners or self.at(self._owners[slot]) is lost:
            with self.lock():
                if slot not in self._owners or self.at(self._owners[slot]) is lost:
                    self._look(lost)
        if slot not in self._owners:
            raise redis.ConnectionError(f"no node of the cluster has slot {slot}")
        return self.at(self._owners[slot])

    def at(self, where: str) -> Endpoint:
        """The endpoint at this address."""
        endpoint = self._endpoints.get(where)
        if endpoint is None:
            endpoint = self._endpoints.setdefault(where, Endpoint(self._nodes.data_url(where)))
        return endpoint

    def moved(self, error: redis.ResponseError) -> None:
        if isinstance(error, MovedError) and error.host:
            self._owners[error.slot_id] = address(error.host, error.port)

    def close(self) -> None:
        super().close()
        for endpoint in list(self._endpoints.values()):
            endpoint.close()

    def _shard(self, slot: int) -> Shard:
        shard = self._shards.get(slot)
        return shard or self._shards.setdefault(slot, Shard(self, slot))

    def _check(self, number: int | None) -> None:
        try:
            (self if number is None else self._shard(number)).probe()
        except LOST as error:
            raise CallLost(f"no answer from {self!r}: {error}", sent=False) from error

    def _locate(self, lost: Endpoint | None) -> Endpoint:
        self._look(lost)
        return self.at(next(iter(self._owners.values())))

    def _look(self, lost: Endpoint | None) -> None:
        """Learn the map of slots from the first node that tells it; from the lost one last."""
        troubles = []
        known = dict.fromkeys([*self._owners.values(), *self._nodes.addresses])
        for where in sorted(known, key=lambda where: self._endpoints.get(where) is lost and lost is not None):
            try:
                ranges = Endpoint(self._nodes.data_url(where), timeout=MAP_TIMEOUT).ask(("CLUSTER", "SLOTS"))[0]
            except (*LOST, redis.ResponseError) as error:
                troubles.append(f"{where}: {error}")
                continue
            if ranges:
                self._owners = dict(_owners(ranges, where))
                return
            troubles.append(f"{where} knows of no slots")
        raise redis.ConnectionError(f"no node tells the cluster's slots: {'; '.join(troubles)}")


class Shard(Route):
    """The route to one slot."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self._cluster = cluster
        self._slot = slot

    def __repr__(self) -> str:
        return f"{self._cluster!r} slot {self._slot}"

    def endpoint(self, lost: Endpoint | None = None) -> Endpoint:
        return self._cluster.owner(self._slot, lost)

    def moved(self, error: redis.ResponseError) -> None:
        self._cluster.moved(error)

    def passes(self, command: Command, error: redis.ResponseError) -> bool:
        if type(error) is AskError:
            return bool(command[0] == "EVALSHA")  # its slot is being moved; see above
        return isinstance(error, PASSING_TYPES) or str(error).startswith(PASSING)

    def call(self, commands: Sequence[Command], patience: float = PATIENCE, needs: str | None = None) -> list[Any]:
        replies = super().call(commands, patience, needs)
        return [self._followed(*row) for row in zip(commands, replies, strict=True)]

    def _followed(self, command: Command, reply: Any) -> Any:
        """The answer to a command whose key has moved already, though not all of its slot has."""
        if type(reply) is not AskError or command[0] == "EVALSHA":
            return reply
        try:
            return self._cluster.at(address(reply.host, reply.port)).ask(ASKING, command)[-1]
        except redis.ResponseError as error:
            return error
        except LOST as error:
            raise CallLost(f"no answer from {self!r}: {error}", sent=True) from error


def _owners(ranges: Iterable[Any], told_by: str) -> Iterable[tuple[int, str]]:
    """Slots and addresses of their primaries, from what CLUSTER SLOTS answers."""
    for first, last, primary, *_ in ranges:
        host = (primary[0] or b"").decode()
        if host in ("", "?"):  # the node's own, as whoever asked knows it
            host = told_by.rpartition(":")[0].strip("[]")
        for slot in range(first, last + 1):
            yield slot, address(host, int(primary[1]))
