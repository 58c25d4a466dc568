"""The schema is made in numbered steps, once, and the service says in one line when it is missing."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import closing
from subprocess import PIPE, Popen

import pytest
from redisq_api import grants, migrations, users
from redisq_api.database import Database
from redisq_api.grants import Quota
from redisq_api.migrations import SchemaMissing


def test_applied_once(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        assert migrations.apply(database) > 0
        feed = migrations.feed_of(database)()
        assert migrations.apply(database) == 0
        assert migrations.feed_of(database)() == feed
        migrations.check(database)


def test_two_databases_have_two_feeds(database: Database, new_database: Callable[[bool], str]) -> None:
    with closing(Database(new_database(False))) as other:
        migrations.apply(other)
        assert migrations.feed_of(other)() != migrations.feed_of(database)()


def test_a_missing_schema_is_said_in_one_line(database_url: str) -> None:
    with closing(Database(database_url)) as database, pytest.raises(SchemaMissing, match="redisq-api init-db") as told:
        migrations.check(database)
    assert "\n" not in str(told.value)


def test_an_old_schema_is_refused(database: Database) -> None:
    with database.write():
        database.run("DELETE FROM migration")
        database.run("INSERT INTO migration VALUES (0, 0)")
    with pytest.raises(SchemaMissing):
        migrations.check(database)


def test_users_and_tokens_of_the_first_schema_go_on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Database(database_url)) as database:
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "_STEPS", (migrations._STEP_1,))
            assert migrations.apply(database) == 1
        with database.write():
            database.run("INSERT INTO account (id, name, password, admin, created_at) VALUES (7, 'eve', 'x', 1, 1)")
            database.run("INSERT INTO worker (account_id, queue) VALUES (7, 'high')")
            digest = hashlib.sha256(b"secret").hexdigest()
            database.run("INSERT INTO token (digest, account_id, created_at) VALUES (?, 7, 1)", digest)
        assert migrations.apply(database) > 0
        eve = users.find_by_token(database, "secret")
        assert eve is not None
        assert (eve.name, eve.admin, eve.disabled, eve.quota) == ("eve", True, False, Quota())
        assert eve.scopes == {"read", "write"}
        assert grants.granted(database, eve.id, eve.plan) == {"high": 1}


def test_a_database_that_is_away_is_not_a_missing_schema(tmp_path: object) -> None:
    migrations.check(Database(f"sqlite:///{tmp_path}/missing/x"))


def test_many_at_once_are_harmless(database_url: str) -> None:
    code = "import sys; from redisq_api import cli; sys.exit(cli.main(['init-db']))"
    starts = [Popen([sys.executable, "-c", code], env={"REDISQ_DATABASE": database_url}, stdout=PIPE) for _ in range(4)]
    outputs = [start.communicate()[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * 4
    assert sorted(b"was" in output for output in outputs) == [False, True, True, True]
