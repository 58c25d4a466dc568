"""What is on its way to another queue: follow-ups, which are enqueued by their id, and what jobs that wait for others
are to know. Each is delivered, and then taken from the list, so that none is lost between.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import redis

from . import keys
from .claimed import Source
from .connection import evalsha
from .endpoint import Command
from .options import NEVER
from .scripts import ARRIVE, ENQUEUE, ENQUEUE_AFTER, LINK
from .settings import Settings

log = logging.getLogger(__name__)

#: What the hooks of a job have in them for which one of another queue waits, see link() in parents.lua.
WAITED_FOR = b'"x":'
_PAGE = 100
#: The largest result, in bytes, that is copied to another queue. See next.lua.
_LARGEST = 65536

#: Where to, and what put() in put.lua reads; or where to, what is to be done there, and its arguments.
Entry = tuple[str, list[str]] | tuple[str, str, list[str]]


def entry(queue: str, spec: list[Any]) -> bytes:
    """A follow-up as it waits: where to, and what put() in put.lua reads."""
    return msgspec.json.encode([queue, [item.decode() if isinstance(item, bytes) else str(item) for item in spec]])


def link_entry(parent: str, child: str) -> bytes:
    """That a job is to be told of another's end, both by their full ids, as link() in parents.lua leaves it."""
    full_id = keys.FullId.parse(parent)
    return msgspec.json.encode([full_id.queue, "link", [full_id.local, child]])


def drain(settings: Settings, source: Source) -> int:
    """Send on what waits in a queue's `forward`; answers how many. What is refused stays for the next time, and with it
    what concerns the same jobs.
    """
    key = source.base + keys.NAMES["forward"]
    sent = 0
    kept: set[str] = set()
    for data in settings.server.ask([("LRANGE", key, 0, _PAGE - 1)], settings.patience)[0]:
        try:
            queue, what, args = _read(data)
        except ValueError:
            # garbage: whoever claims it puts it into the dead letters, with its bytes
            settings.server.call([("LPUSH", source.base + keys.NAMES["pending"], data), ("LREM", key, 1, data)])
            continue
        job = f"{queue}.{args[0]}"
        if job in kept:
            continue
        refused = _WAYS[what](settings, source, queue, args)
        if isinstance(refused, redis.ResponseError):
            kept.add(job)
            log.warning("forward.refused queue=%s error=%s", queue, refused)
            continue
        settings.server.call([("LREM", key, 1, data)], settings.patience)
        sent += 1
    return sent


def _read(data: bytes) -> tuple[str, str, list[str]]:
    """ValueError for what is no entry."""
    parts = msgspec.json.decode(data, type=list[str | list[str]])
    queue, what, args = (parts[0], "put", parts[1]) if len(parts) == 2 else parts
    if not (isinstance(queue, str) and isinstance(what, str) and isinstance(args, list)):
        raise ValueError(f"no entry: {data!r:.100}")
    if what not in _WAYS or len(args) < _LEAST[what]:
        raise ValueError(f"no entry: {data!r:.100}")
    return keys.check_name(queue), what, args


def _put(settings: Settings, _: Source, queue: str, spec: list[str]) -> Any:
    """A follow-up."""
    base, retention = keys.queue_base(settings.namespace, queue), settings.retention
    if len(spec) > 1 and spec[1] == NEVER:
        enqueue = evalsha(ENQUEUE_AFTER, [base], ["0", retention.feed, retention.ended, *spec])
    else:
        enqueue = evalsha(ENQUEUE, [base], ["0", retention.feed, *spec])
    announce = ("SADD", keys.queues(settings.namespace), queue)
    answer = settings.server.call([announce, enqueue], settings.patience)[1]
    return answer if isinstance(answer, redis.ResponseError) else answer[0]


def _link(settings: Settings, source: Source, queue: str, args: list[str]) -> Any:
    """A job of this queue waits for one of another; which may have ended."""
    answer = settings.server.call(
        [evalsha(LINK, [keys.queue_base(settings.namespace, queue)], args)], settings.patience
    )[0]
    if answer is None or isinstance(answer, redis.ResponseError):
        return answer
    parent, child = f"{queue}.{args[0]}", keys.FullId.parse(args[1])
    return settings.server.call([_arrival(settings, child.queue, [child.local, parent], *answer)], settings.patience)[0]


def _arrive(settings: Settings, source: Source, queue: str, args: list[str]) -> Any:
    """A job of this queue has ended, for which one of another waits."""
    child, parent, how = args
    record = source.base + keys.NAMES["job"] + keys.FullId.parse(parent).local
    results = settings.server.call([("HMGET", record, "r" if how == "s" else "x")], settings.patience)[0]
    text = b"" if isinstance(results, redis.ResponseError) else results[0] or b""
    return settings.server.call([_arrival(settings, queue, [child, parent], how.encode(), text)], settings.patience)[0]


def _arrival(settings: Settings, queue: str, ids: list[str], how: bytes, text: bytes) -> Command:
    if len(text) > _LARGEST:
        how, text = how.upper(), b""
    return evalsha(
        ARRIVE, [keys.queue_base(settings.namespace, queue)], [*ids, how, text, settings.retention.ended]
    )


_WAYS = {"put": _put, "link": _link, "arrive": _arrive}
#: The fewest arguments of each.
_LEAST = {"put": 1, "link": 2, "arrive": 3}
