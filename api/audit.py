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
    """Who (`actor`) did what (`act`, such as `user.disable`) to which user, plan, queue or job (`subject`), and
    with what.
    """

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


def count(
    database: Database, entry_id: int | None, actor: str, act: str, subject: str, done: int, **detail: Any
) -> int:
    """Adds to the number `done` of an entry, for an act that is carried out in portions; writes one, if that entry is
    not of this very act. Answers its id. Belongs into a `write()`.
    """
    row = database.one("SELECT actor, act, subject, detail FROM audit WHERE id = ?", entry_id) if entry_id else None
    told = msgspec.json.decode(row[3]) if row else {}
    before = told.pop("done", 0)
    if row and (*row[:3], told) == (actor, act, subject, detail):
        text = msgspec.json.encode(detail | {"done": before + done}).decode()
        database.run("UPDATE audit SET detail = ? WHERE id = ?", text, entry_id)
        return int(entry_id or 0)
    note(database, actor, act, subject, **detail, done=done)
    row = database.one("SELECT max(id) FROM audit WHERE actor = ? AND act = ? AND subject = ?", actor, act, subject)
    assert row is not None
    return int(row[0])


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
