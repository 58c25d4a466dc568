"""The service inside of another Falcon app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
