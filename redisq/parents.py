"""The parents of a job, as it was told of them."""

from __future__ import annotations

from . import keys
from .codec import as_text
from .errors import JobNotFound
from .job import Parent
from .settings import Settings

_ENDED = {b"s": "succeeded", b"f": "failed", b"c": "cancelled"}
#: Behind the number of a parent that has ended.
_COLON = b":"


def parents(settings: Settings, queue: str, local_id: str) -> list[Parent]:
    """Of a job that has not ended, in the order in which it named them; none if it waits for no other.

    Mostly a round trip. What was too large to be copied is read from the parent's own record: JobNotFound if that is
    gone. ServerUnavailable, ServerRefused.
    """
    base = keys.queue_base(settings.namespace, queue)
    flat = settings.server.shard(base).ask(
        [("HGETALL", base + keys.NAMES["after"] + local_id)], settings.patience
    )[0]
    fields = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    rows = [(name.decode(), *value.partition(_COLON)) for name, value in fields.items() if b"." in name]
    rows.sort(key=lambda row: int(row[1]))
    return [_parent(settings, full_id, told) for full_id, _, _, told in rows]


def _parent(settings: Settings, full_id: str, told: bytes) -> Parent:
    how, text = told[:1], told[1:]
    if how.isupper():
        how, text = how.lower(), _looked_up(settings, full_id, b"r" if how == b"S" else b"x")
    if how == b"s":
        return Parent(full_id, "succeeded", result=settings.codec.decode(text))
    return Parent(full_id, _ENDED.get(how), error=as_text(text) if how else None)


def _looked_up(settings: Settings, full_id: str, field: bytes) -> bytes:
    queue, local_id = keys.FullId.parse(full_id)
    base = keys.queue_base(settings.namespace, queue)
    found = settings.server.shard(base).ask(
        [("HGET", base + keys.NAMES["job"] + local_id, field)], settings.patience
    )[0]
    if found is None:
        raise JobNotFound(f"the result of {full_id} is no longer kept, and was too large to be copied")
    return bytes(found)
