"""How the database is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redisq_api import clock
from redisq_api.database import Database
from redisq_api.health import database_health

from tests.api.conftest import Client
from tests.api.working import post


def test_size_and_version(database: Database, database_kind: str) -> None:
    health = database_health(database)
    assert health.version.lower().startswith(database_kind)
    assert health.version[-1].isdigit() or health.version.endswith(")")
    assert 50_000 < health.size < 100_000_000
    assert (health.outbox, health.outbox_age) == (0, 0.0)


def test_the_log_of_what_was_written_is_measured(database: Database) -> None:
    with database.write():
        database.run("UPDATE account SET password = ?", "x" * 100_000)
    wal = database_health(database).wal
    assert wal is not None
    assert wal > 100_000


def test_who_may_not_look_at_the_log_is_told_the_rest(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no roles")
    with database.write():
        database.run("CREATE ROLE reader")
        database.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        database.run("SET LOCAL ROLE reader")
        health = database_health(database)
        database.run("RESET ROLE")
        database.run("DROP OWNED BY reader")
        database.run("DROP ROLE reader")
    assert health.wal is None
    assert health.size > 0


def test_the_outbox_and_how_old_it_is(
    database: Database, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    post(make("ann"), ["a", "b", "c"])
    later = clock.now() + 90 * clock.SECOND
    monkeypatch.setattr(clock, "now", lambda: later)
    health = database_health(database)
    assert health.outbox == 3
    assert 60 < health.outbox_age < 100
