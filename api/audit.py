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


def entries(
    database: Database, limit: int, subject: str | None = None, actor: str | None = None, before: int | None = None
) -> list[Entry]:
    """The last `limit` entries, the newest first; of that user or plan, by that actor, with an id below `before`."""
    wanted = (("subject = ?", subject), ("actor = ?", actor), ("id < ?", before))
    conditions = " AND ".join(sql for sql, value in wanted if value is not None)
    values = [value for _, value in wanted if value is not None]
    where = f"WHERE {conditions}" if conditions else ""
    sql = f"SELECT id, at, actor, act, subject, detail FROM audit {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    rows = database.all(sql, *values, limit)
    return [Entry(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5])) for row in rows]
