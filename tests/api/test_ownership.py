"""Who gets what from every path with every method: complete, since it walks the router and not a list of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redisq_api import create_app, store, users
from redisq_api.database import Database
from redisq_api.routes import Router
from redisq_api.settings import Settings

from tests.api.conftest import Client, find, queue_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WHO = ("owner", "other", "admin", "nobody")

Row = tuple[int, int, int, int]

_ALL_200: Row = (200, 200, 200, 200)
_PAGE = {"GET": _ALL_200, "HEAD": _ALL_200}
_MINE: Row = (200, 200, 200, 401)
_OWN: Row = (200, 404, 404, 401)
_LATER: Row = (202, 404, 404, 401)
# The pages for who is logged in with a session, as nobody here is.
_LOGIN: Row = (303, 303, 303, 303)

#: What owner, another user, an administrator and nobody get. What is not here is a 405, for nobody a 401 if it is under
#: /api/; OPTIONS is a 200. The task of the paths is the owner's, has failed, and is posted anew for each call.
EXPECTED: dict[str, dict[str, Row]] = {
    "/api/v1/task": {"GET": _MINE, "HEAD": _MINE, "POST": (202, 202, 202, 401)},
    "/api/v1/task/{task_id}": {"GET": _OWN, "HEAD": _OWN, "DELETE": (409, 404, 404, 401)},
    "/api/v1/task/{task_id}/status": {"GET": _OWN, "HEAD": _OWN},
    "/api/v1/task/{task_id}/result": {"GET": _OWN, "HEAD": _OWN},
    "/api/v1/task/{task_id}/retry": {"POST": _LATER},
    "/api/v1/task/{task_id}/record": {"DELETE": (204, 404, 404, 401)},
    "/api/v1/task-type": {"GET": _MINE, "HEAD": _MINE},
    "/healthz": _PAGE,
    "/readyz": _PAGE,
    "/metrics": {"GET": (403, 403, 403, 403), "HEAD": (403, 403, 403, 403)},
    "/openapi.json": _PAGE,
    "/docs": _PAGE,
    "/": _PAGE,
    "/login": {"GET": (303, 303, 303, 401), "HEAD": (303, 303, 303, 401), "POST": (403, 403, 403, 403)},
    "/logout": {"GET": (401, 401, 401, 401), "HEAD": (401, 401, 401, 401), "POST": _LOGIN},
    "/static/{name}": _PAGE,
    "/tasks/new": {"GET": _LOGIN, "HEAD": _LOGIN, "POST": _LOGIN},
    "/tasks/{task_id}": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/tasks/{task_id}/cancel": {"POST": _LOGIN},
    "/tasks/{task_id}/retry": {"POST": _LOGIN},
    "/tasks/{task_id}/delete": {"POST": _LOGIN},
    "/tokens": {"GET": _LOGIN, "HEAD": _LOGIN, "POST": _LOGIN},
    "/tokens/{token_id}/revoke": {"POST": _LOGIN},
}


def expected(path: str, method: str) -> Row:
    row = EXPECTED[path].get(method)
    if row is not None:
        return row
    if method == "OPTIONS":
        return _ALL_200
    return (405, 405, 405, 401 if path.startswith("/api/") else 405)


def filled(path: str, task_id: str) -> str:
    """The path with something in the place of its parameters."""
    return path.replace("{task_id}", task_id).replace("{name}", "console.css").replace("{token_id}", "0" * 12)


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    """The router of the service that is made next."""
    router = Router()
    monkeypatch.setattr("redisq_api.app.Router", lambda: router)
    return router


@pytest.fixture
def clients(router: Router, database: Database, dead_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Client]:
    """Clients of one service, whose Redis is away, by who asks."""
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    assert users.add(database, "root", "the root's secret", ["default"], admin=True)
    app = create_app(Settings(), database=database, queue_app=queue_app(dead_url))
    names = ("ann", "bob", "root")
    tokens = [users.create_token(database, find(database, name)) for name in names]
    return {who: Client(app, token) for who, token in zip(WHO, [*tokens, None], strict=True)}


def failed_task(owner: Client, database: Database) -> Any:
    """A task of the owner that has failed."""
    task = owner.form("input_param=x").json
    with database.write():
        database.run("UPDATE task SET state = 'failed', error = 'no', finished_at = 1 WHERE id = ?", task["id"])
    return task


def test_every_path_with_every_method_by_everybody(
    router: Router, clients: dict[str, Client], database: Database
) -> None:
    assert {route.path for route in router.routes} == set(EXPECTED), "a path without an entry here, or the reverse"
    wrong = []
    for path in EXPECTED:
        for method in METHODS:
            for who, status in zip(WHO, expected(path, method), strict=True):
                task = failed_task(clients["owner"], database)
                before = store.get(database, find(database, "ann").id, task["id"])
                body = {"json": {"input_param": "x"}} if (method, path) == ("POST", "/api/v1/task") else {}
                answer = clients[who](method, filled(path, task["id"]), **body)
                if answer.status_code != status:
                    wrong.append((method, path, who, answer.status_code, status))
                if who != "owner":
                    assert store.get(database, find(database, "ann").id, task["id"]) == before, (method, path, who)
                    assert task["id"] not in answer.text, (method, path, who)
    assert wrong == []


def test_what_head_and_options_say(router: Router, clients: dict[str, Client], database: Database) -> None:
    for route in router.routes:
        path = filled(route.path, failed_task(clients["owner"], database)["id"])
        has = [method for method in METHODS if method in EXPECTED[route.path] or method == "OPTIONS"]
        options = clients["nobody"]("OPTIONS", path)
        assert sorted(options.headers["Allow"].split(", ")) == sorted(has), path
        assert (options.status_code, options.content) == (200, b"")
        assert sorted(clients["owner"]("PUT", path).headers["Allow"].split(", ")) == sorted(has), path
        if "GET" not in has:
            continue
        get, head = clients["owner"]("GET", path), clients["owner"]("HEAD", path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert dict(head.headers) == dict(get.headers), path


def test_a_route_of_somebody_elses_making_is_seen(router: Router, clients: dict[str, Client]) -> None:
    router.add_route("/api/v1/new", object())
    assert {route.path for route in router.routes} != set(EXPECTED)


def test_the_lists_are_everybodys_own(clients: dict[str, Client], make_client: Callable[..., Client]) -> None:
    task = clients["owner"].form("input_param=x").json
    for who, ids in (("owner", [task["id"]]), ("other", []), ("admin", [])):
        assert [seen["id"] for seen in clients[who]("GET", "/api/v1/task").json] == ids
