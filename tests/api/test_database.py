"""One URL decides which database; several processes write to SQLite without locking each other out."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from redisq_api.database import Conflict, Database, Unavailable
from redisq_api.settings import Misconfigured

from tests.needs import need_postgresql
from tests.postgres import Postgres
from tests.waiting import wait_until


@pytest.mark.parametrize(
    "url",
    ["", "mysql://x/y", "sqlite://", "sqlite:///", "sqlite://host/x", "sqlite:///:memory:", "sqlite:///x?mode=ro",
     "sqlite:///x?synchronous=off", "postgresql://h/x?pool=0", "postgresql://h/x?pool=many"],
)  # fmt: skip
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_DATABASE"):
        Database(url)


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisq_api.database.find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match=r"REDISQ_DATABASE: .*redisq-jobs\[postgresql\]"):
        Database("postgresql://h/x")


def test_a_commit_is_synced_unless_the_url_says_otherwise(tmp_path: Path) -> None:
    for url, expected in (("x", 2), ("x?synchronous=normal", 1)):
        with closing(Database(f"sqlite:///{tmp_path}/{url}")) as database:
            assert database.one("PRAGMA synchronous") == (expected,)
            assert database.one("PRAGMA journal_mode") == ("wal",)


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    insert = "INSERT INTO service VALUES ('a', ?)"
    with pytest.raises(Conflict), database.write():
        assert database.run(insert, "1") == database.run(insert, "2")
    assert database.one("SELECT 1 FROM service WHERE name = 'a'") is None


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/x")
    with pytest.raises(Unavailable):
        database.one("SELECT 1")
    with pytest.raises(Unavailable), database.write():
        database.one("SELECT 1")
    (tmp_path / "missing").mkdir()
    with closing(database):
        assert database.one("SELECT 1") == (1,)


def test_a_disk_that_is_full_is_unavailable_until_it_is_not(template: Path, tmp_path: Path) -> None:
    shutil.copy(template, tmp_path / "x")
    with closing(Database(f"sqlite:///{tmp_path}/x")) as database:
        pages = database.one("PRAGMA page_count")
        assert pages
        database.one(f"PRAGMA max_page_count = {pages[0]}")
        with pytest.raises(Unavailable, match="full"), database.write():
            database.run("INSERT INTO service VALUES ('big', ?)", "x" * 100_000)
        database.one("PRAGMA max_page_count = 100000")
        with database.write():
            database.run("INSERT INTO service VALUES ('big', ?)", "x" * 100_000)


WRITER = """
import sys
from contextlib import closing
from redisq_api.database import Database
with closing(Database(sys.argv[1])) as database:
    for n in range(100):
        with database.write():
            database.lock("count")
            count = int(database.one("SELECT value FROM service WHERE name = 'count'")[0])
            database.run("UPDATE service SET value = ? WHERE name = 'count'", str(count + 1))
"""


def test_eight_processes_write_and_none_finds_it_locked(database: Database, database_url: str) -> None:
    with database.write():
        database.run("INSERT INTO service VALUES ('count', '0')")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, database_url], stderr=subprocess.PIPE) for _ in range(8)]
    assert [writer.communicate()[1] for writer in writers] == [b""] * 8
    assert database.one("SELECT value FROM service WHERE name = 'count'") == ("800",)


def test_threads_have_connections_of_their_own(database: Database) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.append(database.one("SELECT count(*) FROM service WHERE name = 'a'"))
        database.close()

    with database.write():
        database.run("INSERT INTO service VALUES ('a', '1')")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [(0,)]


def test_a_lock_that_somebody_has_is_said_to_be_taken(database: Database) -> None:
    told: list[bool] = []

    def look(name: str) -> None:
        with database.write():
            told.append(database.lock(name, wait=False))
        database.close()

    if not database.is_sqlite:  # there nobody else comes as far as to ask
        with database.write():
            assert database.lock("a", wait=False)
            for name in ("a", "b"):
                thread = threading.Thread(target=look, args=(name,))
                thread.start()
                thread.join()
        assert told == [False, True]
    look("a")
    assert told[-1]


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that a test may stop."""
    need_postgresql()
    with Postgres() as server:
        yield server


def test_a_postgresql_that_is_restarted_costs_no_statement_more_than_it_was_away(own_postgres: Postgres) -> None:
    with closing(Database(own_postgres.url + "?pool=3")) as database:
        with ThreadPoolExecutor(3) as pool:  # so that three connections wait in the pool
            assert list(pool.map(lambda _: database.one("SELECT 1 FROM pg_sleep(0.1)"), range(3))) == [(1,)] * 3
        own_postgres.stop()
        with pytest.raises(Unavailable):
            database.one("SELECT 1")
        with pytest.raises(Unavailable), database.write():
            database.run("SELECT 1")
        own_postgres.start()
        assert [database.one("SELECT 1") for _ in range(3)] == [(1,)] * 3
        with pytest.raises(Unavailable):
            _restart_within(database, own_postgres)
        with database.write():
            assert database.one("SELECT 1") == (1,)


def _restart_within(database: Database, server: Postgres) -> None:
    with database.write():
        database.run("SELECT 1")
        server.restart()


def test_more_threads_than_connections_wait_for_one_and_not_for_ever(
    own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redisq_api.database._POOL_SECONDS", 1.0)
    with closing(Database(own_postgres.url + "?pool=2")) as database, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: database.one("SELECT 1 FROM pg_sleep(0.01)"), range(8))) == [(1,)] * 8
        counted = database.one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        assert counted is not None
        assert counted[0] <= 2
        sleeping = [threads.submit(database.one, "SELECT pg_sleep(3)") for _ in range(2)]
        wait_until(lambda: len(database._engine._in_use) == 2)
        with pytest.raises(Unavailable):
            database.one("SELECT 1")
        assert [future.result() for future in sleeping] == [("",)] * 2
        assert database.one("SELECT 1") == (1,)
