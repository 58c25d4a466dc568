"""How the database is, for who looks after it. How Redis is, the library tells: `app.server_info()`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import census
from .database import Database

_MAY_READ_WAL = "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')"


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """The database. `size`, `wal`: bytes on disk of the data, and of the log of what was written lately; None where it
    may not be asked. `outbox`: tasks that are due and wait for room in Redis, and `outbox_age`: seconds for which the
    oldest of them has been due.
    """

    version: str
    size: int
    wal: int | None
    outbox: int
    outbox_age: float


def database_health(database: Database) -> DatabaseHealth:
    """A look at it; its cost grows with the outbox alone. Unavailable."""
    version, size, wal = _sqlite(database) if database.is_sqlite else _postgresql(database)
    waiting = census.waiting(database)
    age = max((one.age for one in waiting), default=0.0)
    return DatabaseHealth(version, size, wal, sum(one.count for one in waiting), age)


def _sqlite(database: Database) -> tuple[str, int, int | None]:
    size = int(_value(database, "PRAGMA page_count")) * int(_value(database, "PRAGMA page_size"))
    path = str(_value(database, "SELECT file FROM pragma_database_list WHERE name = 'main'"))
    wal = Path(f"{path}-wal")
    return f"SQLite {_value(database, 'SELECT sqlite_version()')}", size, wal.stat().st_size if wal.exists() else 0


def _postgresql(database: Database) -> tuple[str, int, int | None]:
    version = f"PostgreSQL {_value(database, 'SHOW server_version')}"
    size = int(_value(database, "SELECT pg_database_size(current_database())"))
    if not _value(database, _MAY_READ_WAL):
        return version, size, None
    return version, size, int(_value(database, "SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()"))


def _value(database: Database, query: str) -> Any:
    row = database.one(query)
    assert row is not None
    return row[0]
