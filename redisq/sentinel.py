"""A primary with replicas, which sentinels watch: who is the primary is asked anew at every reconnect."""

from __future__ import annotations

from typing import Any

import redis

from .connection import Server
from .endpoint import LOST, Command, Endpoint
from .urls import address, sentinel_nodes

#: Seconds for a sentinel to answer, before the next one is asked.
SENTINEL_TIMEOUT = 1.0
#: Beginnings of answers that pass: to writes while no replica follows, and to who waited when its server was demoted.
PASSING = ("NOREPLICAS", "UNBLOCKED")


class Sentinel(Server):
    """The route to the primary of a service."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._nodes = sentinel_nodes(url)
        self._sentinels = list(self._nodes.addresses)

    def passes(self, command: Command, error: redis.ResponseError) -> bool:
        return isinstance(error, redis.ReadOnlyError) or str(error).startswith(PASSING)

    def _locate(self, lost: Endpoint | None) -> Endpoint:
        url = self._nodes.data_url(self._primary())
        return lost if lost is not None and lost.url == url else Endpoint(url, check=_is_primary)

    def _primary(self) -> str:
        """Its address, from the first sentinel that knows one. redis.ConnectionError if none does."""
        troubles = []
        for sentinel in list(self._sentinels):
            asked = Endpoint(self._nodes.sentinel_url(sentinel), timeout=SENTINEL_TIMEOUT)
            try:
                found = asked.ask(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._nodes.service))[0]
            except (*LOST, redis.ResponseError) as error:
                troubles.append(f"{sentinel}: {error}")
                continue
            if found:
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                return address(found[0].decode(), int(found[1]))
            troubles.append(f"{sentinel} knows no service {self._nodes.service!r}")
        raise redis.ConnectionError(f"no sentinel names a primary: {'; '.join(troubles)}")


def _is_primary(connection: Any) -> None:
    """A sentinel may be late to learn, and a server that was demoted still answers."""
    connection.send_command("ROLE")
    role = connection.read_response()[0]
    if role != b"master":
        raise redis.ConnectionError(f"{connection.host}:{connection.port} is no primary, but a {role.decode()}")
