"""The database behind the service: SQLite by default, PostgreSQL by URL. The only module that knows which.

Statements are plain SQL that both understand, with `?` for values; peewee gives each thread its connection, the
transactions, and one set of exceptions.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import peewee

from .settings import Misconfigured

Conflict = peewee.IntegrityError

# With DEBUG it logs the values of every statement: hashes, what somebody typed as his name, what tasks are about.
logging.getLogger("peewee").setLevel(logging.INFO)

Row = tuple[Any, ...]
_BUSY_SECONDS = 10
_AWAY = (peewee.OperationalError, peewee.InterfaceError)


class Unavailable(Exception):
    """The database is away, locked for too long, out of space or restarting: worth trying again."""


class Database:
    """Runs statements on one database; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Opens no connection yet. Raises Misconfigured for a URL that cannot be used."""
        self._engine = _engine(url)
        self.is_sqlite = isinstance(self._engine, peewee.SqliteDatabase)
        self._lock_type = ("IMMEDIATE",) if self.is_sqlite else ()
        self._sql: dict[str, str] = {}

    def all(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        return list(self._execute(sql, values).fetchall())

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None."""
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    def run(self, sql: str, *values: Any) -> int:
        """Executes a statement and answers how many rows it changed. Several belong into a `write()`."""
        return int(self._execute(sql, values).rowcount)

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction. SQLite takes the write lock at once, so that no reader has to become a writer half way."""
        try:
            with self._engine.atomic(*self._lock_type):
                yield
        except _AWAY as error:
            self._drop_connection()
            raise Unavailable(str(_first(error))) from error

    @contextmanager
    def note(self) -> Iterator[None]:
        """A transaction of what may be lost in a power cut, such as counters: it does not wait for the disk.

        Within a `write()` it is a part of that.
        """
        if self._engine.in_transaction():
            yield
        elif self.is_sqlite:
            before = self.one("PRAGMA synchronous")
            self.one("PRAGMA synchronous = normal")
            try:
                with self.write():
                    yield
            finally:
                self.one(f"PRAGMA synchronous = {before[0] if before else 'full'}")
        else:
            with self.write():
                self.run("SET LOCAL synchronous_commit TO off")
                yield

    def lock_account(self, account_id: int) -> None:
        """Lets one transaction at a time count what an account has; belongs into a `write()`, which ends it."""
        if not self.is_sqlite:  # where there is one writer at a time anyway
            self.one("SELECT 1 FROM account WHERE id = ? FOR NO KEY UPDATE", account_id)

    def close(self) -> None:
        """Closes this thread's connection."""
        if not self._engine.is_closed():
            self._engine.close()

    def _execute(self, sql: str, values: Sequence[Any]) -> Any:
        execute: Callable[[str, Sequence[Any]], Any] = self._engine.execute_sql
        try:
            return execute(self._dialect(sql), values)
        except _AWAY as error:
            self._drop_connection()
            raise Unavailable(str(error)) from error

    def _drop_connection(self) -> None:
        # A server that restarted leaves a connection that will never work again; the next statement opens another.
        if not self._engine.in_transaction():
            self._engine.close()

    def _dialect(self, sql: str) -> str:
        known = self._sql.get(sql)
        if known is None:
            known = self._sql[sql] = sql if self.is_sqlite else sql.replace("?", "%s")
        return known


def _first(error: BaseException) -> BaseException:
    """What went wrong first, which says more than the rollback that then had nothing to roll back."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _engine(url: str) -> peewee.Database:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Misconfigured("REDISQ_DATABASE cannot be read as a URL") from None
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "sqlite":
        return _sqlite(parts.netloc, unquote(parts.path)[1:], options)
    if parts.scheme in ("postgresql", "postgres"):
        if not (find_spec("psycopg") or find_spec("psycopg2")):
            raise Misconfigured("REDISQ_DATABASE: PostgreSQL needs pip install 'redisq-jobs[postgresql]'")
        if not _is_conninfo(url):
            raise Misconfigured("REDISQ_DATABASE: PostgreSQL cannot read this URL")  # which may have a password in it
        return peewee.PostgresqlDatabase(url, autoconnect=True)
    raise Misconfigured("REDISQ_DATABASE must begin with sqlite:/// or postgresql://")


def _is_conninfo(url: str) -> bool:
    if not find_spec("psycopg"):
        return True
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    return True


def _sqlite(host: str, path: str, options: dict[str, str]) -> peewee.Database:
    if host or not path or path == ":memory:":
        raise Misconfigured("REDISQ_DATABASE: a SQLite database is named like sqlite:////var/lib/redisq.sqlite3")
    synchronous = options.pop("synchronous", "full")
    if options or synchronous not in ("full", "normal"):
        raise Misconfigured("REDISQ_DATABASE: SQLite takes only ?synchronous=full (the default) or normal")
    # In WAL mode `full` syncs every commit, so that an accepted task survives a power cut; `normal` only kill -9.
    pragmas = {"journal_mode": "wal", "synchronous": synchronous, "foreign_keys": 1}
    return peewee.SqliteDatabase(path, pragmas=pragmas, timeout=_BUSY_SECONDS)
