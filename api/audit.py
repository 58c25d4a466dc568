"""The log of what administrators did, in the database: written in the transaction of the act, so neither is without
the other. It never has a password or a token in it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from . import clock
from .database import Database


@dataclass(frozen=True, slots=True)
class Entry:
    """Who (`actor`) did what (`act`, such as `user.disable`) to which user or plan (`subject`), and with what."""

    id: int
    at: int
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]


def note(database: Database, actor: str, act: str, subject: str, **detail: Any) -> None:
    """Writes an entry; belongs into the `write()` of the act."""
    database.run(
        "INSERT INTO audit (at, actor, act, subject, detail) VALUES (?, ?, ?, ?, ?)",
        clock.now(), actor, act, subject, msgspec.json.encode(detail).decode(),
    )  # fmt: skip


def entries(database: Database, limit: int, subject: str | None = None) -> list[Entry]:
    """The last `limit` entries, the newest first; with `subject`, of that user or plan."""
    columns = "SELECT id, at, actor, act, subject, detail FROM audit"
    if subject is None:
        rows = database.all(" ".join((columns, "ORDER BY id DESC LIMIT ?")), limit)
    else:
        rows = database.all(" ".join((columns, "WHERE subject = ? ORDER BY id DESC LIMIT ?")), subject, limit)
    return [Entry(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5])) for row in rows]
