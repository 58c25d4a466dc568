"""The API's document: complete, valid, and made of what the code checks with; and the page made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from redisq_api import create_app, docs, forms, queries
from redisq_api.database import Database
from redisq_api.routes import Router
from redisq_api.settings import Settings

from tests.api.conftest import Client, queue_app
from tests.api.offered import app as offered_app
from tests.api.test_home import Page

#: Pages for people and their style are no part of the API.
PAGES = ("/admin", "/docs", "/login", "/logout", "/static/", "/tasks/", "/tokens")
METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture
def document(client: Client) -> Any:
    return client("GET", "/openapi.json").json


@pytest.fixture
def rich(database: Database, dead_url: str) -> Client:
    """A service whose tasks take all kinds of input."""
    return Client(create_app(Settings(), database=database, queue_app=offered_app.replace(url=dead_url)), None)


def is_page(path: str) -> bool:
    """Whether it is for people."""
    return path == "/" or path.startswith(PAGES)


def test_every_route_with_every_method_is_described(
    monkeypatch: pytest.MonkeyPatch, database: Database, dead_url: str
) -> None:
    router = Router()
    monkeypatch.setattr("redisq_api.app.Router", lambda: router)
    client = Client(create_app(Settings(), database=database, queue_app=queue_app(dead_url)), None)
    document = client("GET", "/openapi.json").json
    has = {
        (route.path, method.lower())
        for route in router.routes
        for method, responder in route.responders.items()
        if method.lower() in METHODS and responder.__name__.startswith("on_") and not is_page(route.path)
    }
    told = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert told == has
    assert ("/api/v1/task/{task_id}/retry", "post") in told


def test_it_says_who_it_is(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer"}
    for path, methods in document["paths"].items():
        for shown in methods.values():
            assert bool(shown["security"]) == path.startswith("/api/"), path
    ids = [shown["operationId"] for methods in document["paths"].values() for shown in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(rich: Client) -> None:
    document = rich("GET", "/openapi.json").json

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(document)


def test_parameters_are_those_that_check(document: Any) -> None:
    shown = {one["name"]: one for one in document["paths"]["/api/v1/task"]["get"]["parameters"]}
    assert set(shown) == {one.name for one in (*queries.PAGE, queries.IF_NONE_MATCH)}
    assert shown["limit"]["schema"] == {"type": "integer", "minimum": 1, "default": 20}
    codes = document["paths"]["/api/v1/task"]["get"]["responses"]["422"]["description"]
    assert all(f"`{one.code}`" in codes for one in queries.PAGE)


def body_schema(document: Any, media_type: str = "application/json") -> Callable[[Any], bool]:
    """Whether a value fits the schema of a POST's body."""
    schema = document["paths"]["/api/v1/task"]["post"]["requestBody"]["content"][media_type]["schema"]
    full = {"components": document["components"], **schema}
    return jsonschema_rs.validator_for(full).is_valid


SIZE = {"width": 7}
BODIES: list[dict[str, Any]] = [
    {"input_param": "x"},
    {"input_param": ["a", 7, None]},
    {"input_param": ["a", 7]},
    {"input_param": []},
    {},
    {"input_param": ""},
    {"input_param": None},
    {"input_param": [[]]},
    {"input_param": {"a": None}},
    {"input_param": 0},
    {"input_param": "x", "task": "shout"},
    {"input_param": 7, "task": "shout"},
    {"input_param": ["a", 7], "task": "shout"},
    {"input_param": 7, "task": "square"},
    {"input_param": 7.0, "task": "square"},
    {"input_param": 1001, "task": "square"},
    {"input_param": [1, 2], "task": "total"},
    {"input_param": [[1, 2], []], "task": "total"},
    {"input_param": {"url": "x", "sizes": [SIZE]}, "task": "resize"},
    {"input_param": [{"url": "x", "sizes": [SIZE]}], "task": "resize"},
    {"input_param": {"url": "", "sizes": [SIZE]}, "task": "resize"},
    {"input_param": {"url": "x", "sizes": [SIZE] * 4}, "task": "resize"},
    {"input_param": {"url": "x", "sizes": [], "title": None}, "task": "resize"},
    {"input_param": True, "task": "either"},
    {"input_param": SIZE, "task": "either"},
    {"input_param": None, "task": "either"},
    {"input_param": "x", "task": "nope"},
    {"input_param": "x", "more": 1},
    {"input_param": "x", "delay": -1},
    {"input_param": "x", "delay": 1.5, "queue": "high"},
    {"input_param": "x", "delay": "1"},
    {"input_param": "x", "queue": ""},
    {"input_param": "x", "delay": forms.MAX_DELAY},
    {"input_param": "x", "delay": forms.MAX_DELAY + 1},
]


def test_what_the_document_allows_is_what_is_taken(
    rich: Client, make_client: Callable[..., Client], database: Database, dead_url: str
) -> None:
    fits = body_schema(rich("GET", "/openapi.json").json)
    ann = make_client("ann", dead_url)
    owner = Client(create_app(Settings(), database=database, queue_app=offered_app.replace(url=dead_url)), None)
    headers = ann._headers
    for body in BODIES:
        answer = owner("POST", "/api/v1/task", json=body, headers=headers)
        assert (answer.status_code == 202) == fits(body), (body, answer.json)


def test_answers_fit_what_the_document_says(client: Client, document: Any) -> None:
    task = client.form("input_param=x").json

    def check(path: str, answer: Any) -> None:
        told = document["paths"][path]["get"]["responses"][str(answer.status_code)]
        schema = next(iter(told["content"].values()))["schema"]
        jsonschema_rs.validate({"components": document["components"], **schema}, answer.json)

    for path in ("/api/v1/task", "/api/v1/task/{task_id}", "/api/v1/task/{task_id}/status",
                 "/api/v1/task/{task_id}/result", "/api/v1/task-type", "/healthz", "/readyz"):  # fmt: skip
        check(path, client("GET", path.format(task_id=task["id"])))
    check("/api/v1/task/{task_id}", client("GET", "/api/v1/task/nope"))
    check("/api/v1/task", client("GET", "/api/v1/task?limit=x"))


def test_the_page_has_all_of_it_and_loads_nothing(rich: Client) -> None:
    answer = rich("GET", "/docs", headers={"Host": "api.example"})
    page = Page(answer.text)
    content = rich("GET", "/openapi.json").json
    for call in docs.calls(content):
        assert call.path in page.text
        assert f"#{call.id}" in page.links
        for row in (*call.parameters, *call.fields):
            assert row.name in page.text
    for name in ("echo", "shout", "square", "resize", "total", "either", "Picture", "TaskObject"):
        assert name in page.text
    assert "curl -X POST http://api.example/api/v1/task -d" in page.text
    assert not {"style", "img", "form", "iframe"} & set(page.tags)
    assert not {"style", "onclick", "onload"} & page.attributes
    assert all(link.startswith(("/", "#")) for link in page.links)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_every_link_within_the_page_has_its_place(rich: Client) -> None:
    text = rich("GET", "/docs").text
    places = {link[1:] for link in Page(text).links if link.startswith("#")}
    assert places
    assert {place for place in places if f'id="{place}"' not in text} == set()


def test_what_others_wrote_is_only_text(database: Database, dead_url: str) -> None:
    app = queue_app(dead_url)

    @app.task(name="<b>bold</b>")
    def bold(input_param: str) -> None:
        """Says <script>alert(`1`)</script>."""

    text = Client(create_app(Settings(), database=database, queue_app=app), None)("GET", "/docs").text
    page = Page(text)
    assert "alert" not in page.tags
    assert "<script>alert" not in text
    assert "<b>bold</b>" in page.text


def test_the_first_page_leads_to_it(client: Client) -> None:
    page = Page(client("GET", "/").text)
    assert {"/docs", "/openapi.json"} <= set(page.links)
    assert {link for link in page.links if link.startswith("/docs#")}
