"""What reaches the pages without a right to, or in a form that no browser sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from redisq_api import create_app
from redisq_api.acts import Acts
from redisq_api.console.guard import VISITOR
from redisq_api.database import Database
from redisq_api.settings import Settings
from redisq_api.users import ROLES

from tests.api.conftest import Client, queue_app
from tests.api.test_sessions import OWN, log_in, token

# All that may be opened without a login. A page that is added here is open to the whole world.
OPEN = {
    ("/", "GET"), ("/docs", "GET"), ("/login", "GET"), ("/login", "POST"), ("/logout", "GET"),
    ("/static/{name}", "GET"),
}  # fmt: skip
AS_EVER = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json")
ODD = [
    "\0",
    "\r\nX-Evil: 1",
    "\u2603",
    "\ud800",
    "x" * 5000,
    "' OR 1=1 --",
    "%",
    "{{ 7*7 }}",
    "../../etc/passwd",
    "9" * 400,
]


@pytest.fixture
def nobody(make: Callable[..., Client]) -> Client:
    """A browser without a session."""
    return make(None, proxies=1)


@pytest.fixture
def routes(database: Database, dead_url: str) -> list[Any]:
    """All that the service answers to."""
    app: Any = create_app(Settings(), database=database, queue_app=queue_app(dead_url))
    return [route for route in app._router.routes if not route.path.startswith(AS_EVER)]


def requests(routes: list[Any]) -> list[tuple[str, str, str | None]]:
    """Path, method, and the role that it says it is for."""
    return [
        (route.path, method, getattr(responder, "least_role", None))
        for route in routes
        for method, responder in route.responders.items()
    ]


def filled(path: str) -> str:
    """A path, of things that nobody has."""
    return re.sub(r"\{.*?\}", "0" * 26, path)


def test_every_page_is_closed_to_those_without_a_login(nobody: Client, routes: list[Any]) -> None:
    asked = requests(routes)
    assert {(path, method) for path, method, role in asked if role == VISITOR and method != "HEAD"} == OPEN
    for path, method, role in asked:
        answer = nobody(method, filled(path), headers=OWN | {"Accept": "text/html"})
        assert role is not None
        if role != VISITOR:
            assert (path, method, answer.status_code) == (path, method, 303)
            assert answer.headers["Location"].startswith("/login?")


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_closed_to_lesser_roles(nobody: Client, routes: list[Any], role: str, database: Database) -> None:
    Acts(database, "test").set_role("ann", role)
    cookie = log_in(nobody)
    csrf = token(nobody, cookie)
    for path, method, least in requests(routes):
        if least == VISITOR or path == "/logout":
            continue
        body = urlencode({"csrf": csrf}) if method == "POST" else None
        answer = nobody(method, filled(path), body=body, headers=OWN | {"Cookie": cookie, "Accept": "text/html"})
        is_open = ROLES.index(role) >= ROLES.index(str(least))
        assert (path, method, answer.status_code == 403) == (path, method, not is_open)


def test_nothing_that_changes_something_takes_a_get_or_a_form_without_the_token(
    nobody: Client, routes: list[Any]
) -> None:
    cookie = log_in(nobody)
    for path, method, _ in requests(routes):
        if method in ("GET", "HEAD") or path == "/login":
            continue
        for fields, more in (
            ({}, {}),
            ({"csrf": ""}, {}),
            ({"csrf": "\u2603"}, {}),
            ({"csrf": token(nobody, cookie)}, {"Sec-Fetch-Site": "cross-site"}),
            ({"csrf": token(nobody, cookie)}, {"Sec-Fetch-Site": "same-site"}),
            ({"csrf": token(nobody, cookie)}, {"Sec-Fetch-Site": "none"}),
            ({"csrf": token(nobody, cookie)}, {"Origin": "http://b.example"}),
            ({"csrf": token(nobody, cookie)}, {"Origin": "null"}),
        ):
            answer = nobody(method, filled(path), body=urlencode(fields), headers=OWN | {"Cookie": cookie} | more)
            assert (path, fields, answer.status_code) == (path, fields, 403)
    assert nobody("GET", "/tokens", headers={"Cookie": cookie}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_form_is_a_form(nobody: Client, database: Database, content_type: str) -> None:
    cookie = log_in(nobody)
    body = '{"csrf": "' + token(nobody, cookie) + '", "name": "x"}'
    headers = OWN | {"Cookie": cookie, "Content-Type": content_type}
    assert nobody("POST", "/tokens", body=body, headers=headers).status_code in (400, 403, 415)
    assert database.all("SELECT name FROM token WHERE name = 'x'") == []


@pytest.mark.parametrize("odd", ODD)
def test_what_no_browser_sends_is_refused_and_breaks_nothing(nobody: Client, odd: str) -> None:
    cookie = log_in(nobody)
    headers = OWN | {"Cookie": cookie, "Accept": "text/html"}
    sent = quote(odd, safe="", errors="surrogatepass")
    names = ("status", "queue", "task", "text", "created_after", "created_before", "cursor", "limit")
    gets = [f"/?{name}={sent}" for name in names]
    gets += [f"/tasks/{sent}", f"/tasks/new?task={sent}&mode={sent}", f"/login?next={sent}", f"/login?next=/{sent}"]
    gets += [f"/static/{sent}", f"/{sent}"]
    posts = {f"/tasks/{sent}/{act}": "" for act in ("cancel", "retry", "delete")}
    posts |= {f"/tokens/{sent}/revoke": "", "/login": f"name={sent}&password={sent}&next=/{sent}"}
    posts |= {"/tokens": f"name={sent}&days={sent}&scopes={sent}"}
    posts |= {"/tasks/new": f"task={sent}&mode={sent}"}
    posts |= {"/tasks/new?": f"task=shout&mode={sent}&queue={sent}&delay={sent}&input={sent}&as={sent}"}
    csrf = token(nobody, cookie)
    answers = [
        (path, nobody("GET", path.partition("?")[0], query_string=path.partition("?")[2], headers=headers))
        for path in gets
    ]
    answers += [
        (path, nobody("POST", path.rstrip("?"), body=f"csrf={csrf}&{body}", headers=headers))
        for path, body in posts.items()
    ]
    for path, answer in answers:
        assert (path, answer.status_code < 500) == (path, True)
        for value in answer.headers.values():
            assert value.isascii()
            assert value.isprintable()


@pytest.mark.parametrize("broken", ["http://[", "//[x", "\x7f"])
def test_a_broken_origin_or_referer_is_a_foreign_one(nobody: Client, broken: str) -> None:
    cookie = log_in(nobody)
    fields = urlencode({"csrf": token(nobody, cookie)})
    headers = OWN | {"Cookie": cookie}
    assert nobody("POST", "/tokens", body=fields, headers=headers | {"Origin": broken}).status_code == 403
    lost = nobody("POST", "/tokens", body=fields, headers=OWN | {"Referer": broken})
    assert lost.headers["Location"] == "/login?next=%2F&reason=over"


def test_a_page_that_is_not_there_knows_who_asks(nobody: Client) -> None:
    headers = {"Cookie": log_in(nobody), "Accept": "text/html"}
    for path in ("/nowhere", "/tasks/nothing", "/metrics-of-mine"):
        answer = nobody("GET", path, headers=headers)
        assert answer.status_code == 404
        assert 'title="ann"' in answer.text
        assert "no-store" in answer.headers["Cache-Control"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_a_form_counts_as_a_request_of_the_api_does(make: Callable[..., Client]) -> None:
    client = make(None, requests=(2, 60))
    cookie = log_in(client)
    fields = {"csrf": token(client, cookie), "task": "shout", "mode": "one", "input": "x"}
    answers = [client("POST", "/tasks/new", body=urlencode(fields), headers=OWN | {"Cookie": cookie}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_messages_that_nobody_reads_do_not_pile_up(nobody: Client, database: Database) -> None:
    cookie = log_in(nobody)
    fields = {"csrf": token(nobody, cookie)}
    for _ in range(12):
        nobody("POST", "/tokens/none/revoke", body=urlencode(fields), headers=OWN | {"Cookie": cookie})
    page = nobody("GET", "/tokens", headers={"Cookie": cookie}).text
    assert page.count("You have no such token any more.") == 5
    assert "You have no such token" not in nobody("GET", "/tokens", headers={"Cookie": cookie}).text


def test_a_task_can_be_looked_at_while_redis_is_away(nobody: Client) -> None:
    cookie = log_in(nobody)
    fields = {"csrf": token(nobody, cookie), "task": "shout", "mode": "one", "input": "hello"}
    made = nobody("POST", "/tasks/new", body=urlencode(fields), headers=OWN | {"Cookie": cookie})
    page = nobody("GET", made.headers["Location"], headers={"Cookie": cookie})
    assert page.status_code == 200
    assert "hello" in page.text
    assert page.headers["Cache-Control"] == "private, no-store"


def test_an_input_too_long_for_a_page_is_cut_there(nobody: Client) -> None:
    cookie = log_in(nobody)
    fields = {"csrf": token(nobody, cookie), "task": "shout", "mode": "one", "input": "x" * 500_000}
    made = nobody("POST", "/tasks/new", body=urlencode(fields), headers=OWN | {"Cookie": cookie})
    for path in (made.headers["Location"], "/"):
        page = nobody("GET", path, headers={"Cookie": cookie})
        assert page.status_code == 200
        assert len(page.text) < 50_000
