"""Ties between jobs and their parents that lost writes have cut, as when a failover forgot the last of them: for the
doctor.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import keys
from .claimed import Source
from .forward import drain, link_entry
from .settings import Settings


def cut(settings: Settings, queue: str) -> Iterator[tuple[str, list[str]]]:
    """Local ids of the jobs of this queue that wait for parents which do not know it, or have ended, with these."""
    base = keys.queue_base(settings.namespace, queue)
    waiting = settings.server.shard(base).ask(
        [("ZRANGEBYSCORE", base + keys.NAMES["scheduled"], "+inf", "+inf")], settings.patience
    )[0]
    for raw in waiting:
        local_id = raw.decode()
        untold = _open(settings, base, local_id)
        suspects = [parent for parent in untold if not _tells(settings, parent, queue, local_id)]
        # what has just ended may have told it meanwhile
        lost = sorted(set(suspects) & set(_open(settings, base, local_id))) if suspects else []
        if lost:
            yield local_id, lost


def tie(settings: Settings, queue: str, local_id: str, parents: list[str]) -> None:
    """Have the job wait for them again, or know how they ended."""
    base = keys.queue_base(settings.namespace, queue)
    entries = [link_entry(parent, f"{queue}.{local_id}") for parent in parents]
    settings.server.shard(base).ask([("RPUSH", base + keys.NAMES["forward"], *entries)], settings.patience)
    while drain(settings, Source(queue, base)):
        pass


def _open(settings: Settings, base: str, local_id: str) -> list[str]:
    """The parents whose end it has not been told."""
    key = base + keys.NAMES["after"] + local_id
    flat = settings.server.shard(base).ask([("HGETALL", key)], settings.patience)[0]
    fields = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    return [name.decode() for name, told in fields.items() if b"." in name and b":" not in told]


def _tells(settings: Settings, parent: str, queue: str, local_id: str) -> bool:
    """Whether a parent has not ended and will tell it, or has and the news is on its way."""
    full_id, child = keys.FullId.parse(parent), f"{queue}.{local_id}"
    base = keys.queue_base(settings.namespace, full_id.queue)
    home = keys.queue_base(settings.namespace, queue) + keys.NAMES["forward"]
    forwarded = b"".join(settings.server.shard(home).ask([("LRANGE", home, 0, -1)], settings.patience)[0])
    status, told, news = settings.server.shard(base).ask(
        [
            ("HMGET", f"{base}{keys.NAMES['job']}{full_id.local}", "v", "s"),
            ("LPOS", f"{base}{keys.NAMES['next']}{full_id.local}", child),
            ("LRANGE", base + keys.NAMES["forward"], 0, -1),
        ],
        settings.patience,
    )
    if local_id.encode() in b"".join(news) or full_id.local.encode() in forwarded:
        return True
    version, letter = status
    return version is not None and letter not in (b"s", b"c") and told is not None
