"""Pages of other origins, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.conftest import Client

TASK = "/api/v1/task"
ALLOWED = ("https://shop.example", "http://localhost:*")


@pytest.fixture
def client(make_client: Callable[..., Client], dead_url: str) -> Client:
    return make_client("ann", dead_url, cors_origins=ALLOWED)


@pytest.fixture
def nobody(make_client: Callable[..., Client], dead_url: str) -> Client:
    return make_client(None, dead_url, cors_origins=ALLOWED)


@pytest.mark.parametrize("origin", ["https://shop.example", "http://localhost", "http://localhost:5173"])
@pytest.mark.parametrize("path", [TASK, TASK + "/", TASK + "/x"])
def test_the_preflight_needs_no_credentials(nobody: Client, origin: str, path: str) -> None:
    answer = nobody("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert ("POST" in answer.headers["Access-Control-Allow-Methods"]) == (path != TASK + "/x")
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "idempotency-key", "if-none-match", "prefer"} <= set(allowed.split(", "))
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "https://shop.example:8443",
     "null", "http://localhost.evil.example", "http://localhost:80:80", "http://localhost:x", "https://localhost:1", "",
     "http://localhost:1/", "\xff"],
)  # fmt: skip
def test_other_origins_are_neither_told_nor_served(client: Client, origin: str) -> None:
    preflight = client("OPTIONS", TASK, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    post = client.form("input_param=x", Origin=origin)
    get = client("GET", TASK, headers={"Origin": origin})
    for answer in (preflight, post, get):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert (post.status_code, post.json["code"]) == (403, "origin_not_allowed")
    assert get.json == []


def test_an_allowed_page_posts_and_reads(client: Client) -> None:
    answer = client.form("input_param=x", Origin="http://localhost:5173")
    assert answer.status_code == 202
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert {"Location", "ETag"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))


def test_an_allowed_page_may_read_errors(nobody: Client) -> None:
    answer = nobody.form("input_param=x", Origin="https://shop.example")
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("origin", ["http://api.example", "https://api.example"])
def test_our_own_pages_may_post(client: Client, origin: str) -> None:
    assert client.form("input_param=x", Origin=origin, Host="api.example").status_code == 202


def test_without_a_list_no_other_page_may(make_client: Callable[..., Client], dead_url: str) -> None:
    closed = make_client("ann", dead_url)
    assert closed.form("input_param=x", Origin="http://localhost:1").status_code == 403
    assert closed.form("input_param=x").status_code == 202


@pytest.mark.parametrize("path", [TASK, "/", "/style.css", "/login", "/logout", "/healthz", "/nowhere"])
def test_headers_that_every_answer_has(client: Client, path: str) -> None:
    headers = client("GET", path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    # with no-referrer, the forms of a page would say that they come from nowhere
    assert headers["Referrer-Policy"] == ("same-origin" if path in ("/", "/logout") else "no-referrer")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert "Cache-Control" in headers
