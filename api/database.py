"""The database behind the service: SQLite by default, PostgreSQL by URL. The only module that knows which.

Statements are plain SQL that both understand, with `?` for values; peewee gives the connections, the transactions, and
one set of exceptions. With SQLite each thread keeps a connection of its own. With PostgreSQL a process has a pool of
connections, and a thread one of them for a statement or a transaction only: who waits for something else holds none.
"""

import logging
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import peewee
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase

from .settings import Misconfigured

Conflict = peewee.IntegrityError

# With DEBUG it logs the values of every statement: hashes, what somebody typed as his name, what tasks are about.
logging.getLogger("peewee").setLevel(logging.INFO)

Row = tuple[Any, ...]
_T = TypeVar("_T")
_BUSY_SECONDS = 10
_POOL = 8
_POOL_SECONDS = 5.0
_AWAY = (peewee.OperationalError, peewee.InterfaceError, MaxConnectionsExceeded)


class Unavailable(Exception):
    """The database is away, locked for too long, out of space or restarting: worth trying again."""


class Database:
    """Runs statements on one database; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Opens no connection yet. Raises Misconfigured for a URL that cannot be used."""
        self._engine: Any = _engine(url)
        self.is_sqlite = isinstance(self._engine, peewee.SqliteDatabase)
        self._lock_type = ("IMMEDIATE",) if self.is_sqlite else ()
        self._turn = threading.RLock()
        self._sql: dict[str, str] = {}

    def all(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        return self._execute(sql, values, lambda cursor: list(cursor.fetchall()))

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None."""
        row: Row | None = self._execute(sql, values, lambda cursor: cursor.fetchone())
        return row

    def run(self, sql: str, *values: Any) -> int:
        """Executes a statement and answers how many rows it changed. Several belong into a `write()`."""
        return self._execute(sql, values, lambda cursor: int(cursor.rowcount))

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction. SQLite takes the write lock at once, so that no reader has to become a writer half way."""
        try:
            with self._taking_turns(), self._engine.atomic(*self._lock_type):
                yield
        except _AWAY as error:
            self._drop_connection()
            raise Unavailable(str(_first(error))) from error
        finally:
            self._give_back()

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """SQLite lets one connection write at a time, and makes the others sleep, longer and longer.

        So the threads of a process wait here for each other, and are woken as soon as it is their turn.
        """
        if not self.is_sqlite:
            yield
        elif not self._turn.acquire(timeout=_BUSY_SECONDS):
            raise Unavailable("other threads keep the database locked")
        else:
            try:
                yield
            finally:
                self._turn.release()

    def lock(self, name: str, wait: bool = True) -> bool:
        """In a `write()`: lets nobody else have the lock of that name until it ends.

        With SQLite every `write()` has it. False: without `wait`, somebody else has it now.
        """
        if self.is_sqlite:
            return True
        row = self.one("SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))", name)
        if wait and not (row and row[0]):
            self.one("SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(?, 0))", name)
            return True
        return bool(row and row[0])

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

    def close(self) -> None:
        """Closes this thread's connection, and those that wait in the pool."""
        if not self._engine.is_closed():
            self._engine.close()
        if not self.is_sqlite:
            self._engine.close_idle()

    def _execute(self, sql: str, values: Sequence[Any], answer: Callable[[Any], _T]) -> _T:
        try:
            return answer(self._engine.execute_sql(self._dialect(sql), values))
        except _AWAY as error:
            self._drop_connection()
            raise Unavailable(str(error)) from error
        finally:
            self._give_back()

    def _drop_connection(self) -> None:
        # A database that was away leaves a connection that may never work again; the next statement opens another.
        if self.is_sqlite and not self._engine.in_transaction():
            self._engine.close()

    def _give_back(self) -> None:
        if not (self.is_sqlite or self._engine.in_transaction() or self._engine.is_closed()):
            self._engine.close()  # into the pool, which keeps only what still works

    def _dialect(self, sql: str) -> str:
        known = self._sql.get(sql)
        if known is None:
            known = sql.replace("{skip_locked}", "" if self.is_sqlite else "FOR UPDATE SKIP LOCKED")
            known = self._sql[sql] = known if self.is_sqlite else known.replace("?", "%s")
        return known


def places(values: Sequence[object]) -> str:
    """A `?` for each, in a statement."""
    return ", ".join("?" * len(values))


class _Pool(PooledPostgresqlDatabase):  # type: ignore[misc]
    """Looks at a connection before it lends it: a server that was restarted has hung up, which costs no round trip."""

    def _is_closed(self, connection: Any) -> bool:
        if connection.closed:
            return True
        look = select.poll()
        look.register(connection.fileno(), select.POLLIN)
        if not look.poll(0):
            return False
        with suppress(peewee.DatabaseError, OSError):  # nothing was asked: what has come is a farewell
            connection.close()
        return True


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
        if not find_spec("psycopg"):
            raise Misconfigured("REDISQ_DATABASE: PostgreSQL needs pip install 'redisq-jobs[postgresql]'")
        size = options.pop("pool", str(_POOL))
        if not (size.isascii() and size.isdigit() and 0 < int(size) <= 1000):
            raise Misconfigured(f"REDISQ_DATABASE: ?pool= is a number of connections from 1 to 1000, not {size!r}")
        query = urlencode(options, quote_via=quote)  # libpq takes a + for itself
        url = urlunsplit(("postgresql", *parts[1:3], query, ""))
        if not _is_conninfo(url):
            raise Misconfigured("REDISQ_DATABASE: PostgreSQL cannot read this URL")  # which may have a password in it
        return _postgresql(url, int(size), options)
    raise Misconfigured("REDISQ_DATABASE must begin with sqlite:/// or postgresql://")


def _postgresql(url: str, size: int, options: dict[str, str]) -> peewee.Database:
    # A server that is not there must not hold up a request for longer than its client would wait.
    limits = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
    limits = {name: value for name, value in limits.items() if name not in options}
    return _Pool(url, max_connections=size, timeout=_POOL_SECONDS, prefer_psycopg3=True, **limits)


def _is_conninfo(url: str) -> bool:
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
