"""Sessions: how they begin and end, what a cookie is good for, and what a foreign page cannot do with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import falcon.testing
import pytest
from redisq_api.acts import Acts
from redisq_api.console.guard import own_path
from redisq_api.database import Database
from redisq_api.users import ROLES

from tests.api.conftest import PASSWORDS, Client

OWN = {"Host": "a.example", "Origin": "http://a.example", "Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def nobody(make_client: Callable[..., Client], dead_url: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    return make_client(None, dead_url, proxies=1)


def send(client: Client, path: str, cookie: str = "", **fields: str) -> falcon.testing.Result:
    """A form, sent by one of our own pages."""
    headers = OWN | ({"Cookie": cookie} if cookie else {})
    return client("POST", path, body=urlencode(fields), headers=headers)


def log_in(client: Client, name: str = "ann") -> str:
    """The Cookie header of a new session."""
    answer = send(client, "/login", name=name, password=PASSWORDS[name])
    assert answer.status_code == 303
    return answer.headers["Set-Cookie"].partition(";")[0]


def token(client: Client, cookie: str) -> str:
    """What the forms of a session bring along."""
    found = re.search('name="csrf" content="([0-9a-f]+)"', client("GET", "/tokens", headers={"Cookie": cookie}).text)
    assert found is not None
    return found[1]


def test_the_cookie(nobody: Client, database: Database) -> None:
    answer = send(nobody, "/login", name="ann", password=PASSWORDS["ann"], next="/tokens")
    assert answer.headers["Location"] == "/tokens"
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax"]
    rows = database.all("SELECT digest FROM session")
    assert cookie.partition("=")[2] not in str(rows)
    fields = urlencode({"name": "ann", "password": PASSWORDS["ann"]})
    headers = OWN | {"X-Forwarded-Proto": "https", "Cookie": cookie}
    secure = nobody("POST", "/login", body=fields, headers=headers).headers["Set-Cookie"]
    assert secure.startswith("__Host-redisq=")
    assert "Secure" in secure


def test_a_login_has_a_cookie_of_its_own(nobody: Client) -> None:
    first = log_in(nobody)
    fields = {"name": "ann", "password": PASSWORDS["ann"]}
    second = send(nobody, "/login", first, **fields).headers["Set-Cookie"].partition(";")[0]
    assert first != second
    assert nobody("GET", "/tokens", headers={"Cookie": first}).status_code == 303
    assert nobody("GET", "/tokens", headers={"Cookie": second}).status_code == 200


def test_wrong_passwords_look_the_same_and_are_counted(nobody: Client) -> None:
    wrong, unknown = (send(nobody, "/login", name=name, password="x") for name in ("ann", "nobody"))
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert wrong.text.replace('value="ann"', "") == unknown.text.replace('value="nobody"', "")
    codes = [send(nobody, "/login", name="ann", password="x").status_code for _ in range(12)]
    assert codes[-1] == 429


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
def test_it_expires(nobody: Client, database: Database, column: str) -> None:
    cookie = log_in(nobody)
    with database.write():
        database.run(f"UPDATE session SET {column} = 1")
    assert nobody("GET", "/tokens", headers={"Cookie": cookie}).headers["Location"] == "/login?next=%2Ftokens"


def test_what_ends_it(nobody: Client, database: Database) -> None:
    cookie = log_in(nobody)
    assert send(nobody, "/logout", cookie, csrf=token(nobody, cookie)).status_code == 303
    assert nobody("GET", "/tokens", headers={"Cookie": cookie}).status_code == 303
    for act in ("disable", "enable"):
        cookie = log_in(nobody) if act == "disable" else cookie
        getattr(Acts(database, "test"), act)("ann")
        assert nobody("GET", "/tokens", headers={"Cookie": cookie}).status_code == 303
    cookie = log_in(nobody)
    Acts(database, "test").set_password("ann", "another")
    assert nobody("GET", "/tokens", headers={"Cookie": cookie}).status_code == 303


@pytest.mark.parametrize("lacks", ["token", "origin", "other session", ""])
def test_a_form_needs_our_page_and_its_token(nobody: Client, lacks: str) -> None:
    cookie = log_in(nobody)
    fields = {"name": "x", "scopes": "read", "csrf": token(nobody, cookie)}
    headers = OWN | {"Cookie": cookie}
    if lacks == "token":
        del fields["csrf"]
    elif lacks == "origin":
        headers["Sec-Fetch-Site"] = "same-site"
    elif lacks:
        fields["csrf"] = token(nobody, log_in(nobody, "bob"))
    answer = nobody("POST", "/tokens", body=urlencode(fields), headers=headers)
    assert answer.status_code == (403 if lacks else 200)


def test_the_cookie_is_good_for_the_api(nobody: Client) -> None:
    cookie = log_in(nobody)
    assert nobody("GET", "/api/v1/task", headers={"Cookie": cookie}).status_code == 200
    body = {"json": {"input_param": "x"}}
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    assert nobody("POST", "/api/v1/task", headers=headers, **body).status_code == 403
    headers["X-CSRF-Token"] = token(nobody, cookie)
    assert nobody("POST", "/api/v1/task", headers=headers, **body).status_code == 202
    assert nobody("POST", "/api/v1/task", headers=headers | {"Sec-Fetch-Site": "cross-site"}, **body).status_code == 403


def test_a_role_includes_those_below(database: Database, acts: Acts) -> None:
    for index, role in enumerate(ROLES):
        user = acts.set_role("ann", role)
        assert [user.is_at_least(one) for one in ROLES] == [n <= index for n in range(len(ROLES))]
        assert user.admin == (role == "admin")


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil", "https://evil.example", "", None, "/\t/evil", "x"])
def test_login_leads_to_our_own_pages_only(path: str | None) -> None:
    assert own_path(path) == "/"
    assert own_path("/tasks/new?task=x") == "/tasks/new?task=x"
    assert own_path("/?text=a%20b&x=\u2603") == "/?text=a%20b&x=%E2%98%83"
