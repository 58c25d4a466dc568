"""The service inside of another Falcon app."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import falcon
import falcon.testing
import pytest
from redisq_api import create_app, mount
from redisq_api.database import Database
from redisq_api.forms import Order
from redisq_api.settings import Settings

from tests.api.conftest import PASSWORDS, Client, basic, queue_app

TASK = "/queue/api/v1/task"


class Session:
    """The login of the app around, as its middleware knows it."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        request.context.visitor = request.get_header("X-Visitor")
        response.set_header("X-Around", "yes")


class Hello:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.text = f"hello {request.context.visitor}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)


def around(database: Database, url: str, **options: Any) -> falcon.testing.TestClient:
    """An app with a path of its own, and the service at /queue."""
    app: Any = falcon.App(middleware=[Session()])
    app.add_route("/hello", Hello())
    mount(app, "/queue", create_app(Settings(), database=database, queue_app=queue_app(url), **options))
    return falcon.testing.TestClient(app)


@pytest.fixture
def mounted(database: Database, dead_url: str) -> Client:
    """Ann's client, whose login the service checks."""
    client = Client(None, None)
    client._client = around(database, dead_url)
    client._headers = {"Authorization": basic("ann", PASSWORDS["ann"])}
    return client


def by_visitor(request: falcon.Request) -> str | None:
    visitor: str | None = request.context.visitor
    return visitor


def test_every_path_that_is_told_is_below_the_prefix(mounted: Client) -> None:
    posted = mounted("POST", TASK, json={"input_param": "a"})
    assert posted.status_code == 202
    assert posted.headers["Location"] == f"{TASK}/{posted.json['id']}"
    assert posted.json["links"] == {
        "self": f"{TASK}/{posted.json['id']}",
        "status": f"{TASK}/{posted.json['id']}/status",
        "result": f"{TASK}/{posted.json['id']}/result",
    }
    assert mounted("POST", TASK, json={"input_param": ["a", "b"]}).headers["Location"] == TASK
    assert mounted("GET", posted.json["links"]["status"]).json["status"] == "accepted"
    page = mounted("GET", f"{TASK}/?limit=1")
    assert page.headers["Link"].startswith(f"<{TASK}?limit=1&cursor=")
    assert page.json[0]["links"]["self"].startswith(TASK)
    hook = mounted("POST", "/queue/api/v1/webhook", json={"url": "https://hook.example/"})
    assert hook.headers["Location"] == f"/queue/api/v1/webhook/{hook.json['id']}"
    for _ in range(2):
        sent = mounted("POST", f"{hook.headers['Location']}/test")
        assert sent.headers["Location"] == f"/queue/api/v1/webhook-delivery/{sent.json['id']}"
    page = mounted("GET", "/queue/api/v1/webhook-delivery?limit=1")
    assert page.headers["Link"].startswith("</queue/api/v1/webhook-delivery?limit=1&cursor=")
    deleted = mounted("DELETE", posted.headers["Location"])
    assert deleted.json["links"]["self"] == posted.headers["Location"]


def test_an_answer_given_again_for_its_key_is_the_same(mounted: Client) -> None:
    first, again = (
        mounted("POST", TASK, json={"input_param": "a"}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert first.json == again.json
    assert first.headers["Location"] == again.headers["Location"] == first.json["links"]["self"]


def test_the_document_says_where_it_is(mounted: Client) -> None:
    document = mounted("GET", "/queue/openapi.json")
    assert document.json["servers"] == [{"url": "/queue"}]
    assert mounted("GET", "/queue/openapi.json", headers={"If-None-Match": document.headers["ETag"]}).status_code == 304


def test_the_app_around_is_as_before(mounted: Client) -> None:
    assert mounted("GET", "/hello", headers={"X-Visitor": "eve"}).text == "hello eve"
    assert mounted("GET", "/nothing").status_code == 404
    assert mounted("GET", "/queueing").headers["Content-Type"] == "application/json"  # Falcon's own 404
    inside = mounted("GET", "/queue/api/v1/nothing")
    assert (inside.status_code, inside.json["code"]) == (404, "not_found")
    assert inside.headers["X-Around"] == "yes"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_headers_are_those_of_the_service_alone(mounted: Client, method: str) -> None:
    inner = mounted(method, "/queue/healthz")
    assert inner.status_code == 200
    assert inner.headers["Content-Length"] == "15"
    assert inner.headers["Content-Type"] == "application/json"
    assert inner.headers["X-Content-Type-Options"] == "nosniff"
    assert inner.text == ("" if method == "HEAD" else '{"status":"ok"}')


def test_wrong_credentials_are_refused_inside(mounted: Client) -> None:
    answer = mounted("GET", TASK, headers={"Authorization": basic("ann", "wrong")})
    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_the_login_of_the_app_around_counts(database: Database, dead_url: str) -> None:
    client = around(database, dead_url, authenticate=by_visitor)
    assert client.simulate_get(TASK).status_code == 401
    assert client.simulate_get(TASK, headers={"Authorization": basic("ann", PASSWORDS["ann"])}).status_code == 401
    assert client.simulate_get(TASK, headers={"X-Visitor": "ann"}).json == []
    assert client.simulate_get(TASK, headers={"X-Visitor": "nobody"}).status_code == 401
    posted = client.simulate_post(TASK, json={"input_param": "a"}, headers={"X-Visitor": "ann"})
    assert client.simulate_get(posted.headers["Location"], headers={"X-Visitor": "bob"}).status_code == 404


def test_a_hook_changes_and_refuses_what_a_post_asks_for(database: Database, dead_url: str) -> None:
    def rule(request: falcon.Request, user: str, order: Order) -> Order:
        if "forbidden" in order.inputs:
            raise falcon.HTTPForbidden(description=f"not for {user}")
        marked = [f"{user}:{value}" for value in order.inputs]
        return replace(order, queue=request.get_header("X-Queue"), inputs=marked)

    client = around(database, dead_url, authenticate=by_visitor, before_post=rule)
    bob = {"X-Visitor": "bob"}
    assert client.simulate_post(TASK, json={"input_param": "a"}, headers=bob).json["input_param"] == "bob:a"
    refused = client.simulate_post(TASK, json={"input_param": "forbidden"}, headers=bob)
    assert (refused.status_code, refused.json["code"], refused.json["detail"]) == (403, "forbidden", "not for bob")
    elsewhere = client.simulate_post(TASK, json={"input_param": "a"}, headers=bob | {"X-Queue": "high"})
    assert (elsewhere.status_code, elsewhere.json["code"]) == (403, "queue_not_granted")


@pytest.mark.parametrize("prefix", ["", "/", "queue", "/queue/", "//queue", "/a b", "/{x}"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    app: Any = falcon.App()
    with pytest.raises(ValueError, match="not a path to mount at"):
        mount(app, prefix, app)


PAGE = {"Accept": "text/html", "Host": "a.example"}


def visit(client: falcon.testing.TestClient, path: str, **headers: str) -> falcon.testing.Result:
    """A browser goes to a page."""
    return client.simulate_get(path, headers=PAGE | headers)


def first_visit(client: falcon.testing.TestClient, name: str) -> tuple[str, str]:
    """The cookie of somebody who looks for the first time, and what his forms bring along."""
    page = visit(client, "/queue/", **{"X-Visitor": name})
    csrf = re.search('name="csrf" content="([0-9a-f]+)"', page.text)
    assert csrf is not None
    return page.headers["Set-Cookie"].partition(";")[0], csrf[1]


def send(client: falcon.testing.TestClient, path: str, fields: dict[str, str], **headers: str) -> falcon.testing.Result:
    """A form of one of our pages."""
    sent = PAGE | {"Origin": "http://a.example", "Content-Type": "application/x-www-form-urlencoded"} | headers
    return client.simulate_post(path, body=urlencode(fields), headers=sent)


def test_the_pages_are_for_who_is_logged_in_around(database: Database, dead_url: str) -> None:
    client = around(database, dead_url, authenticate=by_visitor)
    assert "My tasks" not in visit(client, "/queue/").text
    assert visit(client, "/queue/tasks/new").status_code == 401
    assert visit(client, "/queue/tasks/new", **{"X-Visitor": "nobody"}).status_code == 401
    cookie, csrf = first_visit(client, "ann")
    assert cookie.startswith("redisq-queue=")
    ann = {"X-Visitor": "ann", "Cookie": cookie}
    fields = {"csrf": csrf, "task": "shout", "mode": "one", "input": "hello"}
    made = send(client, "/queue/tasks/new", fields, **ann)
    assert made.status_code == 303
    assert made.headers["Location"].startswith("/queue/tasks/")
    again = visit(client, made.headers["Location"], **ann)
    assert "The task is accepted." in again.text
    assert "Set-Cookie" not in again.headers
    assert "hello" in visit(client, "/queue/", **ann).text


def test_there_is_no_login_of_our_own_beside_that_of_the_app_around(database: Database, dead_url: str) -> None:
    client = around(database, dead_url, authenticate=by_visitor)
    for path in ("login", "logout", "tokens"):
        assert visit(client, f"/queue/{path}", **{"X-Visitor": "ann"}).status_code == 404
        for page in ("", "docs", "tasks/new", "nowhere"):
            for who in ("ann", ""):
                text = visit(client, f"/queue/{page}", **({"X-Visitor": who} if who else {})).text
                assert f"/{path}" not in text
                assert "PASSWORD" not in text
                assert "test:test" not in text


def test_the_cookie_alone_is_nobody_and_of_another_user_is_not_his(database: Database, dead_url: str) -> None:
    client = around(database, dead_url, authenticate=by_visitor)
    cookie, csrf = first_visit(client, "ann")
    assert visit(client, "/queue/tasks/new", Cookie=cookie).status_code == 401
    fields = {"csrf": csrf, "task": "shout", "mode": "one", "input": "hello"}
    assert send(client, "/queue/tasks/new", fields, Cookie=cookie).status_code == 401
    assert send(client, "/queue/tasks/new", fields, **{"Cookie": cookie, "X-Visitor": "bob"}).status_code == 401
    assert send(client, "/queue/tasks/new", fields, **{"X-Visitor": "ann"}).status_code == 401
    foreign = {"Cookie": cookie, "X-Visitor": "ann", "Sec-Fetch-Site": "cross-site"}
    assert send(client, "/queue/tasks/new", fields, **foreign).status_code == 403
    seen = visit(client, "/queue/", **{"Cookie": cookie, "X-Visitor": "bob"})
    assert 'title="bob"' in seen.text
    assert seen.headers["Set-Cookie"].partition(";")[0] != cookie


@pytest.mark.parametrize("authenticate", [None, by_visitor])
def test_every_link_of_every_page_is_below_the_prefix(database: Database, dead_url: str, authenticate: Any) -> None:
    client = around(database, dead_url, **({"authenticate": authenticate} if authenticate else {}))
    if authenticate:
        cookie, _ = first_visit(client, "ann")
    else:
        entered = send(client, "/queue/login", {"name": "ann", "password": PASSWORDS["ann"], "next": "/queue/docs"})
        assert entered.headers["Location"] == "/queue/docs"
        cookie = entered.headers["Set-Cookie"].partition(";")[0]
        assert visit(client, "/queue/tokens").headers["Location"] == "/queue/login?next=%2Fqueue%2Ftokens"
    for path in ("", "tasks/new", "tokens", "docs", "nowhere", "login", "tasks/new?task=fail&mode=json"):
        text = visit(client, f"/queue/{path}", **{"Cookie": cookie, "X-Visitor": "ann"}).text
        links = re.findall('(?:href|src|action)="([^"#]+)', text)
        assert links or path == "login"
        assert [link for link in links if not link.startswith("/queue/")] == []


def test_the_app_around_sends_visitors_to_its_own_login(database: Database, dead_url: str) -> None:
    def known(request: falcon.Request) -> str | None:
        raise falcon.HTTPSeeOther("/enter")

    client = around(database, dead_url, authenticate=known)
    assert visit(client, "/queue/tasks/new").headers["Location"] == "/enter"
