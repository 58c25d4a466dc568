"""What the record of a job holds beyond what a Job tells: for people who want to know what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from . import keys
from .codec import as_text
from .settings import Settings
from .times import as_datetime


class Record(msgspec.Struct, frozen=True):
    """The rest of a job. `worker`: who had it last. `options`: the run options that its call gave, as JSON text.
    `postponed`: how often a worker could not run it yet. `kept_for`: seconds until it is forgotten; None: not yet
    known, or as long as it is a dead letter.
    """

    worker: str | None
    deliveries: int
    crashes: int
    postponed: int
    asked_to_stop: bool
    feed: str | None
    options: str | None
    due_at: datetime | None
    kept_for: float | None


def record(settings: Settings, job_id: str) -> Record:
    """Of the job with this full id; an empty one if there is none. ServerUnavailable, ServerRefused, InvalidName."""
    queue, local_id = keys.FullId.parse(job_id)
    base = keys.queue_base(settings.namespace, queue)
    key = f"{base}{keys.NAMES['job']}{local_id}"
    fields, due, ttl = settings.server.shard(base).ask(
        [
            ("HMGET", key, "w", "d", "k", "u", "m", "f", "o"),
            ("ZSCORE", f"{base}{keys.NAMES['scheduled']}", local_id),
            ("PTTL", key),
        ],
        settings.patience,
    )
    worker, deliveries, crashes, postponed, stop, feed, options = fields
    return Record(
        worker=_text(worker),
        deliveries=_number(deliveries),
        crashes=_number(crashes),
        postponed=_number(postponed),
        asked_to_stop=stop is not None,
        feed=_text(feed),
        options=_text(options),
        due_at=_time(due),
        kept_for=ttl / 1000 if ttl >= 0 else None,
    )


def _text(data: bytes | None) -> str | None:
    return as_text(data) if data else None


def _number(data: bytes | None) -> int:
    return int(data) if data and data.isdigit() else 0


def _time(score: Any) -> datetime | None:
    """None also for a time that no calendar has: a score can be anything."""
    try:
        return as_datetime(float(score)) if score is not None else None
    except (ValueError, OverflowError, OSError):
        return None
