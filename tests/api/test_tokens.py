"""Tokens: what they are good for, until when, and that nobody sees them again."""

from __future__ import annotations

from collections.abc import Callable

import falcon.testing
import pytest
from redisq_api import clock, tokens, users
from redisq_api.acts import Acts
from redisq_api.database import Conflict, Database
from redisq_api.grants import BadUser
from redisq_api.users import User

from tests.api.conftest import Client, find

TASK = "/api/v1/task"



@pytest.fixture
def nobody(make_client: Callable[..., Client], dead_url: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    return make_client(None, dead_url)


def call(nobody: Client, token: str, method: str, path: str = TASK) -> falcon.testing.Result:
    return nobody(method, path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["read"], [200, 200, 403, 403]),
        (["write"], [403, 403, 422, 404]),
        (["read", "write"], [200, 200, 422, 404]),
        (["admin"], [403, 403, 403, 403]),
    ],
)
def test_scopes(nobody: Client, database: Database, ann: User, scopes: list[str], expected: list[int]) -> None:
    token = users.create_token(database, ann, scopes=scopes)
    calls = (("GET", TASK), ("HEAD", TASK), ("POST", TASK), ("DELETE", f"{TASK}/x"))
    answers = [call(nobody, token, method, path) for method, path in calls]
    assert [answer.status_code for answer in answers] == expected
    for answer in answers:
        if answer.status_code == 403:
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
            if answer.content:
                assert answer.json["code"] == "insufficient_scope"


def test_the_paths_of_administrators(nobody: Client, database: Database, ann: User) -> None:
    assert users.add(database, "root", "x", ["default"], admin=True)
    root = find(database, "root")
    every = ("read", "write", "admin")
    for user, scopes, expected in (
        (root, every, 404),
        (root, ("read", "write"), 403),
        (root, ("admin",), 403),
        (ann, every, 403),
    ):
        token = users.create_token(database, user, scopes=scopes)
        for path in ("/api/v1/admin", "/api/v1/admin/", "/api/v1/admin/user"):
            assert call(nobody, token, "GET", path).status_code == expected
    token = users.create_token(database, ann)
    assert call(nobody, token, "GET", "/api/v1/administration").status_code == 404


def test_an_end(nobody: Client, database: Database, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    token = users.create_token(database, ann, expires_at=now + 60 * clock.SECOND)
    monkeypatch.setattr(clock, "now", lambda: now + 59 * clock.SECOND)
    assert call(nobody, token, "GET").status_code == 200
    monkeypatch.setattr(clock, "now", lambda: now + 60 * clock.SECOND)
    expired, unknown = call(nobody, token, "GET"), call(nobody, "x", "GET")
    assert expired.status_code == 401
    assert (expired.content, expired.headers) == (unknown.content, unknown.headers)


def test_revoked_by_id_or_name_from_the_next_request_on(nobody: Client, database: Database, ann: User) -> None:
    acts = Acts(database, "test")
    made = {name: acts.create_token("ann", name, ["read"], None) for name in ("ci", "laptop", "other")}
    unnamed = acts.create_token("ann", None, ["read"], None)
    his = users.create_token(database, find(database, "bob"), "ci")
    ids = {token.name: token.id for token in tokens.of(database, "ann")}
    assert acts.revoke_token("ann", "ci") == 1
    assert acts.revoke_token("ann", ids["laptop"]) == 1
    codes = [call(nobody, token, "GET").status_code for token in (*made.values(), unnamed, his)]
    assert codes == [401, 401, 200, 200, 200]
    for missing in ("ci", ids["laptop"], "", made["other"]):
        with pytest.raises(BadUser, match="ann has no token"):
            acts.revoke_token("ann", missing)
    assert acts.revoke_token("ann", None) == 2
    assert [call(nobody, token, "GET").status_code for token in (made["other"], unnamed, his)] == [401, 401, 200]


def test_the_last_use_is_known_to_the_minute(
    nobody: Client, database: Database, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = users.create_token(database, ann, "ci")
    assert tokens.of(database, "ann")[0].used_at is None
    start = clock.now()
    seen = []
    for seconds in (0, 59, 61, 100):
        moment = start + seconds * clock.SECOND
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        assert call(nobody, token, "GET").status_code == 200
        seen.append((tokens.of(database)[0].used_at or 0) - start)
    assert seen == [0, 0, 61 * clock.SECOND, 61 * clock.SECOND]


def test_names_are_a_users_own(database: Database, ann: User, bob: User) -> None:
    users.create_token(database, ann, "ci")
    users.create_token(database, bob, "ci")
    with pytest.raises(Conflict):
        users.create_token(database, ann, "ci")
    with pytest.raises(BadUser, match="ann has a token ci already"):
        Acts(database, "test").create_token("ann", "ci", ["read"], None)
    users.create_token(database, ann)
    users.create_token(database, ann)
    assert [(token.owner, token.name) for token in tokens.of(database)] == [
        ("ann", "ci"), ("bob", "ci"), ("ann", None), ("ann", None)
    ]  # fmt: skip


def test_a_token_is_nowhere_to_be_read(database: Database, ann: User) -> None:
    token = Acts(database, "test").create_token("ann", "ci", ["read"], None)
    for table in ("token", "audit", "account", "meter"):
        assert token not in str(database.all(f"SELECT * FROM {table}"))
    assert token not in str(tokens.of(database))
    assert len(token) >= 43


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a\n", "0123456789ab"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(BadUser, match="a token's name is"):
        tokens.check_name(name)


def test_scopes_that_are_typed() -> None:
    assert tokens.parse_scopes("write, read") == ("read", "write")
    assert tokens.parse_scopes("admin,admin") == ("admin",)
    for text in ("", "all", "read,", "READ"):
        with pytest.raises(BadUser, match="scopes are one or more of read, write, admin"):
            tokens.parse_scopes(text)


def test_nobody_but_an_administrator_gets_the_scope_admin(database: Database) -> None:
    acts = Acts(database, "test")
    with pytest.raises(BadUser, match="ann is no administrator"):
        acts.create_token("ann", None, ["admin"], None)
    acts.add("root", "x", ["default"], True, None)
    acts.create_token("root", None, ["admin"], None)
