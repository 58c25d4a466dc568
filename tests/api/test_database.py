"""One URL decides which database; several processes write to SQLite without locking each other out."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from redisq_api.database import Conflict, Database, Unavailable
from redisq_api.settings import Misconfigured


@pytest.mark.parametrize(
    "url",
    ["", "mysql://x/y", "sqlite://", "sqlite:///", "sqlite://host/x", "sqlite:///:memory:", "sqlite:///x?mode=ro",
     "sqlite:///x?synchronous=off"],
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


def test_a_disk_that_is_full_is_unavailable_until_it_is_not(database: Database) -> None:
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
from redisq_api.database import Database
database = Database(sys.argv[1])
for n in range(100):
    with database.write():
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
