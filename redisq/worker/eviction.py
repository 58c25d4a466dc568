"""A warning of a server that evicts keys when it is full: it deletes jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..endpoint import Command
from ..errors import RedisQError

log = logging.getLogger(__name__)


def warn_of_eviction(call: Callable[[Sequence[Command]], list[Any]]) -> None:
    """`call` sends commands to the server, or raises RedisQError."""
    try:
        memory = call([("INFO", "memory")])[0].decode()
    except RedisQError as error:
        log.debug("server.policy_unknown error=%s", error)
        return
    policy = memory.partition("maxmemory_policy:")[2].split("\r")[0]
    if policy not in ("", "noeviction"):
        log.warning("server.evicts policy=%s: when it is full it DELETES JOBS; set maxmemory-policy noeviction", policy)
