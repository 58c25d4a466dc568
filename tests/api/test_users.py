"""Users, their workers and tokens."""

from __future__ import annotations

import pytest
from redisq_api import users
from redisq_api.database import Database
from redisq_api.users import BadUser


def test_a_user_is_added_once(database: Database) -> None:
    assert users.add(database, "eve", "one", ["low", "high", "low"], admin=True)
    assert not users.add(database, "eve", "two", ["default"])
    eve = users.find(database, "eve")
    assert eve is not None
    assert eve.admin
    assert "one" not in eve.password
    assert users.queues(database, eve) == ["high", "low"]


def test_nobody_is_found_by_another_name(database: Database) -> None:
    assert users.add(database, "eve", "one", ["low"])
    assert users.find(database, "Eve") is None
    assert users.find(database, "' OR 1=1 --") is None


@pytest.mark.parametrize(
    ("name", "password", "queues"),
    [
        ("", "x", ["q"]),
        ("a:b", "x", ["q"]),
        ("é", "x", ["q"]),
        ("x" * 65, "x", ["q"]),
        ("eve", "", ["q"]),
        ("eve", "x" * 1025, ["q"]),
        ("eve", "x", []),
        ("eve", "x", ["q", "no spaces"]),
    ],
)
def test_what_cannot_be_a_user(database: Database, name: str, password: str, queues: list[str]) -> None:
    with pytest.raises(BadUser):
        users.add(database, name, password, queues)
    assert users.find(database, name) is None


def test_a_token_finds_its_user_and_is_not_stored(database: Database) -> None:
    users.add(database, "eve", "one", ["low"])
    eve = users.find(database, "eve")
    assert eve is not None
    first, second = users.create_token(database, eve), users.create_token(database, eve)
    assert first != second
    assert users.find_by_token(database, first) == users.find_by_token(database, second) == eve
    assert users.find_by_token(database, first[:-1]) is None
    assert first not in str(database.all("SELECT * FROM token"))
