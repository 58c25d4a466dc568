"""What the server is, and how safe jobs are with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis

from .errors import ServerRefused
from .settings import Settings
from .times import as_datetime


@dataclass(frozen=True)
class ServerInfo:
    """The server; of a cluster, one of its nodes. Bytes, seconds; None where it does not tell.

    `fragmentation`: how many times as much memory the system has given it as it uses; of a server that is nearly empty,
    that means little. `last_save`: when its last snapshot was made; if none was, when it started. `fsync`: its
    appendfsync, None without an append-only file. `snapshots`: whether it is configured to save any. `evicts`: its
    maxmemory-policy; anything but noeviction deletes jobs when the memory is full.
    """

    version: str
    role: str
    uptime: int
    clients: int
    replicas: int
    memory: int
    memory_limit: int | None
    evicts: str
    evicted: int
    fsync: str | None
    snapshots: bool | None
    last_save_failed: bool
    fragmentation: float | None = None
    last_save: datetime | None = None

    def warnings(self) -> list[str]:
        """What can lose jobs, a sentence each."""
        found = []
        if self.evicts not in ("", "noeviction"):
            found.append(f"it deletes jobs when its memory is full: set maxmemory-policy noeviction, not {self.evicts}")
        if self.evicted:
            found.append(f"it has evicted {self.evicted} keys, which may have been jobs")
        if self.memory_limit and self.memory > 0.9 * self.memory_limit:
            found.append(f"its memory is {100 * self.memory // self.memory_limit} % full: it will refuse new jobs")
        if self.fsync is None and self.snapshots is False:
            found.append("it keeps nothing on disk: a restart loses all jobs")
        if self.last_save_failed:
            found.append("its last write to disk has failed")
        return found


def server_info(settings: Settings) -> ServerInfo:
    """What the server tells. ServerUnavailable, ServerRefused."""
    asked = [("INFO",), ("CONFIG", "GET", "save"), ("CONFIG", "GET", "appendfsync")]
    told, *configured = settings.server.call(asked, settings.patience)
    if isinstance(told, redis.ResponseError):
        raise ServerRefused(str(told)) from told
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
    save, fsync = (_setting(reply) for reply in configured)
    return _info({name: value for name, _, value in lines}, save, fsync)


def _info(told: Mapping[str, str], save: str | None, fsync: str | None) -> ServerInfo:
    def number(name: str) -> int:
        return int(told[name]) if told.get(name, "").isdecimal() else 0

    product = told.get("server_name", "redis")
    version = told.get(f"{product}_version") or told.get("redis_version", "?")
    appends = told.get("aof_enabled") == "1"
    failed = [told.get(name, "ok") != "ok" for name in ("rdb_last_bgsave_status", "aof_last_write_status")]
    return ServerInfo(
        version=f"{product} {version}",
        role=told.get("role", "?"),
        uptime=number("uptime_in_seconds"),
        clients=number("connected_clients"),
        replicas=number("connected_slaves"),
        memory=number("used_memory"),
        memory_limit=number("maxmemory") or None,
        evicts=told.get("maxmemory_policy", ""),
        evicted=number("evicted_keys"),
        fsync=(fsync or "?") if appends else None,
        snapshots=None if save is None else bool(save),
        last_save_failed=failed[0] or (appends and failed[1]),
        fragmentation=_ratio(told.get("mem_fragmentation_ratio", "")),
        last_save=as_datetime(1000 * number("rdb_last_save_time")) if number("rdb_last_save_time") else None,
    )


def _ratio(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _setting(reply: Any) -> str | None:
    """The value that CONFIG GET answered; None if it may not be asked."""
    return reply[1].decode() if isinstance(reply, list) and len(reply) == 2 else None
