"""Follow-ups on their way to another queue: enqueued by their id, then taken from the list, so that none is lost
between.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import redis

from . import keys
from .claimed import Source
from .connection import evalsha
from .scripts import ENQUEUE
from .settings import Settings

log = logging.getLogger(__name__)

_PAGE = 100


def entry(queue: str, spec: list[Any]) -> bytes:
    """A follow-up as it waits: where to, and what put() in put.lua reads."""
    return msgspec.json.encode([queue, [item.decode() if isinstance(item, bytes) else str(item) for item in spec]])


def drain(settings: Settings, source: Source) -> int:
    """Send on what waits in a queue's `forward`; answers how many. What is refused stays for the next time."""
    key = source.base + keys.NAMES["forward"]
    sent = 0
    for data in settings.server.ask([("LRANGE", key, 0, _PAGE - 1)], settings.patience)[0]:
        try:
            queue, spec = msgspec.json.decode(data, type=tuple[str, list[str]])
            keys.check_name(queue)
        except ValueError:
            # garbage: whoever claims it puts it into the dead letters, with its bytes
            settings.server.call([("LPUSH", source.base + keys.NAMES["pending"], data), ("LREM", key, 1, data)])
            continue
        enqueue = evalsha(ENQUEUE, [keys.queue_base(settings.namespace, queue)], ["0", settings.retention.feed, *spec])
        announce = ("SADD", keys.queues(settings.namespace), queue)
        _, answer = settings.server.call([announce, enqueue], settings.patience)
        refused = answer if isinstance(answer, redis.ResponseError) else answer[0]
        if isinstance(refused, redis.ResponseError):
            log.warning("forward.refused queue=%s error=%s", queue, refused)
            continue
        settings.server.call([("LREM", key, 1, data)], settings.patience)
        sent += 1
    return sent
