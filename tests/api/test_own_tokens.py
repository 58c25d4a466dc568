"""A user's own tokens: made with the password, told once, good for what they say, and gone when they are revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from redisq_api import audit, clock, own_tokens, tokens, users
from redisq_api.database import Database

from tests.api.conftest import PASSWORDS, Client, basic, find

TOKEN = "/api/v1/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def nobody(make: Callable[..., Client]) -> Client:
    return make(None)


@pytest.fixture
def ann(nobody: Client) -> Client:
    """Ann, with her password."""
    nobody._headers = {"Authorization": basic("ann", PASSWORDS["ann"])}
    return nobody


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_is_told_once_and_works(ann: Client) -> None:
    made = ann("POST", TOKEN, json={"name": "ci", "scopes": ["read"], "expires_in": 3600})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    told = made.json
    token = told.pop("token")
    assert (told["name"], told["scopes"], told["last_used_at"]) == ("ci", ["read"], None)
    lasts = datetime.fromisoformat(told["expires_at"]) - datetime.fromisoformat(told["created_at"])
    assert abs(lasts - timedelta(hours=1)) < timedelta(seconds=5)
    assert ann("GET", TOKEN).json == [told]
    assert token not in ann("GET", TOKEN).text

    assert ann("GET", "/api/v1/task", headers=bearer(token)).status_code == 200
    refused = ann("POST", "/api/v1/task", json={"input_param": "a"}, headers=bearer(token))
    assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope")
    assert ann("GET", TOKEN).json[0]["last_used_at"] is not None


def test_nothing_need_be_said(ann: Client) -> None:
    for body in ({"json": {}}, {"headers": FORM, "body": ""}):
        made = ann("POST", TOKEN, **body).json
        assert (made["name"], made["scopes"], made["expires_at"]) == (None, ["read", "write"], None)


def test_a_form_will_do(ann: Client) -> None:
    made = ann("POST", TOKEN, headers=FORM, body="name=ci&scopes=write&scopes=read&expires_in=60").json
    assert (made["name"], made["scopes"]) == ("ci", ["read", "write"])


def test_it_ends_when_it_says(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    token = ann("POST", TOKEN, json={"expires_in": 60}).json["token"]
    assert ann("GET", TOKEN, headers=bearer(token)).status_code == 200
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 61 * clock.SECOND)
    assert ann("GET", TOKEN, headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("by", ["id", "name"])
def test_revoking_is_at_once(ann: Client, by: str) -> None:
    made = ann("POST", TOKEN, json={"name": "ci"}).json
    assert ann("DELETE", f"{TOKEN}/{made[by]}").status_code == 204
    assert ann("GET", TOKEN, headers=bearer(made["token"])).status_code == 401
    again = ann("DELETE", f"{TOKEN}/{made[by]}")
    assert (again.status_code, again.json["code"]) == (404, "token_not_found")
    assert ann("POST", TOKEN, json={"name": "ci"}).status_code == 201


def test_a_token_makes_no_other_but_may_revoke(ann: Client, database: Database) -> None:
    made = ann("POST", TOKEN, json={}).json
    refused = ann("POST", TOKEN, json={}, headers=bearer(made["token"]))
    assert (refused.status_code, refused.json["code"]) == (403, "password_required")
    assert len(tokens.of(database, "ann")) == 1
    assert ann("DELETE", f"{TOKEN}/{made['id']}", headers=bearer(made["token"])).status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"scopes": ["admin"]}, 422, "bad_scopes", "#/scopes"),
        ({"scopes": ["all"]}, 422, "bad_scopes", "#/scopes"),
        ({"scopes": []}, 422, "bad_scopes", "#/scopes"),
        ({"scopes": "read"}, 422, "bad_scopes", "#/scopes"),
        ({"name": ""}, 422, "bad_name", "#/name"),
        ({"name": "a b"}, 422, "bad_name", "#/name"),
        ({"name": "0123456789ab"}, 422, "bad_name", "#/name"),
        ({"name": "x" * 65}, 422, "bad_name", "#/name"),
        ({"expires_in": 0}, 422, "bad_expires_in", "#/expires_in"),
        ({"expires_in": 1.5}, 422, "bad_expires_in", "#/expires_in"),
        ({"expires_in": 10**12}, 422, "bad_expires_in", "#/expires_in"),
        ({"expires": 1}, 422, "unknown_field", None),
        ({"name": "taken"}, 409, "name_taken", None),
    ],
)
def test_what_cannot_be_is_refused(
    ann: Client, database: Database, body: Any, status: int, code: str, pointer: str | None
) -> None:
    users.create_token(database, find(database, "ann"), "taken")
    refused = ann("POST", TOKEN, json=body)
    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert [one["pointer"] for one in refused.json.get("errors", [])] == ([pointer] if pointer else [])
    assert len(tokens.of(database, "ann")) == 1


def test_so_many_and_no_more(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_tokens, "MOST", 2)
    codes = [ann("POST", TOKEN, json={}).status_code for _ in range(3)]
    assert codes == [201, 201, 409]


def test_an_administrator_may_have_one_of_an_administrator(nobody: Client, database: Database) -> None:
    assert users.add(database, "root", "the root's secret", ["default"], admin=True)
    nobody._headers = {"Authorization": basic("root", "the root's secret")}
    assert nobody("POST", TOKEN, json={"scopes": ["admin", "read"]}).json["scopes"] == ["read", "admin"]


def test_the_audit_log_has_both_and_no_secret(ann: Client, database: Database) -> None:
    token = ann("POST", TOKEN, json={"name": "ci"}).json["token"]
    ann("DELETE", f"{TOKEN}/ci")
    revoked, created = audit.entries(database, 2)
    assert (created.actor, created.act, created.subject) == ("user:ann", "token.create", "ann")
    assert (revoked.actor, revoked.act, revoked.subject) == ("user:ann", "token.revoke", "ann")
    assert token not in str([created, revoked])
