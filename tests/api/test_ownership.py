"""Who gets what from every path with every method: complete, since it walks the router and not a list of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redisq_api import create_app, tokens, users
from redisq_api.database import Database
from redisq_api.routes import Router
from redisq_api.settings import Settings

from tests.api.conftest import Client, find, queue_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WHO = ("owner", "other", "admin", "nobody")

HOOK = {"url": "https://hook.example/"}
#: What is sent to those that take something.
BODIES: dict[str, Any] = {"/api/v1/task": {"input_param": "x"}, "/api/v1/webhook": HOOK}

Row = tuple[int, int, int, int]

_ALL_200: Row = (200, 200, 200, 200)
_PAGE = {"GET": _ALL_200, "HEAD": _ALL_200}
_MINE: Row = (200, 200, 200, 401)
_OWN: Row = (200, 404, 404, 401)
_LATER: Row = (202, 404, 404, 401)
# The pages for who is logged in with a session, as nobody here is.
_LOGIN: Row = (303, 303, 303, 303)

#: What owner, another user, an administrator and nobody get. What is not here is a 405, for nobody a 401 if it is under
#: /api/; OPTIONS is a 200. What the paths name is the owner's, and is made anew for each method; the task has failed.
EXPECTED: dict[str, dict[str, Row]] = {
    "/api/v1/task": {"GET": _MINE, "HEAD": _MINE, "POST": (202, 202, 202, 401)},
    "/api/v1/task/{task_id}": {"GET": _OWN, "HEAD": _OWN, "DELETE": (409, 404, 404, 401)},
    "/api/v1/task/{task_id}/status": {"GET": _OWN, "HEAD": _OWN},
    "/api/v1/task/{task_id}/result": {"GET": _OWN, "HEAD": _OWN},
    "/api/v1/task/{task_id}/retry": {"POST": _LATER},
    "/api/v1/task/{task_id}/record": {"DELETE": (204, 404, 404, 401)},
    "/api/v1/task-type": {"GET": _MINE, "HEAD": _MINE},
    "/api/v1/token": {"GET": _MINE, "HEAD": _MINE, "POST": (403, 403, 403, 401)},
    "/api/v1/token/{token_id}": {"DELETE": (204, 404, 404, 401)},
    "/api/v1/webhook": {"GET": _MINE, "HEAD": _MINE, "POST": (201, 201, 201, 401)},
    "/api/v1/webhook/{webhook_id}": {"GET": _OWN, "HEAD": _OWN, "DELETE": (204, 404, 404, 401)},
    "/api/v1/webhook/{webhook_id}/secret": {"POST": _OWN},
    "/api/v1/webhook/{webhook_id}/enable": {"POST": _OWN},
    "/api/v1/webhook/{webhook_id}/test": {"POST": _LATER},
    "/api/v1/webhook-secret": {"POST": _MINE},
    "/api/v1/webhook-delivery": {"GET": _MINE, "HEAD": _MINE},
    "/api/v1/webhook-delivery/{delivery_id}": {"GET": _OWN, "HEAD": _OWN},
    "/api/v1/webhook-delivery/{delivery_id}/resend": {"POST": _LATER},
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
    "/admin": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/queues/{name}": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/queues/{name}/pause": {"POST": _LOGIN},
    "/admin/queues/{name}/resume": {"POST": _LOGIN},
    "/admin/queues/{name}/bulk": {"POST": _LOGIN},
    "/admin/jobs/{job_id}": {"GET": _LOGIN, "HEAD": _LOGIN},
    **{f"/admin/jobs/{{job_id}}/{act}": {"POST": _LOGIN} for act in ("retry", "cancel", "delete")},
    "/admin/dead": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/users": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/new-user": {"GET": _LOGIN, "HEAD": _LOGIN, "POST": _LOGIN},
    "/admin/users/{name}": {"GET": _LOGIN, "HEAD": _LOGIN},
    **{
        f"/admin/users/{{name}}/{act}": {"POST": _LOGIN}
        for act in ("settings", "grant", "revoke", "password", "disable", "enable", "token")
    },
    "/admin/plans": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/new-plan": {"GET": _LOGIN, "HEAD": _LOGIN, "POST": _LOGIN},
    "/admin/plans/{name}": {"GET": _LOGIN, "HEAD": _LOGIN, "POST": _LOGIN},
    "/admin/plans/{name}/remove": {"POST": _LOGIN},
    "/admin/audit": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/workers": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/workers/stop": {"POST": _LOGIN},
    "/admin/workers/recycle": {"POST": _LOGIN},
    "/admin/cron": {"GET": _LOGIN, "HEAD": _LOGIN},
    "/admin/cron/run": {"POST": _LOGIN},
    "/admin/cron/pause": {"POST": _LOGIN},
    "/admin/cron/resume": {"POST": _LOGIN},
}


def expected(path: str, method: str) -> Row:
    row = EXPECTED[path].get(method)
    if row is not None:
        return row
    if method == "OPTIONS":
        return _ALL_200
    return (405, 405, 405, 401 if path.startswith("/api/") else 405)


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
    known = [users.create_token(database, find(database, name)) for name in names]
    return {who: Client(app, token) for who, token in zip(WHO, [*known, None], strict=True)}


def things(owner: Client, database: Database) -> dict[str, str]:
    """What the paths name: a task of the owner that has failed, an endpoint of his, a delivery to it, and a token."""
    task_id = owner.form("input_param=x").json["id"]
    with database.write():
        database.run("UPDATE task SET state = 'failed', error = 'no', finished_at = 1 WHERE id = ?", task_id)
        database.run("DELETE FROM webhook")  # of which one may have some only
    webhook_id = owner("POST", "/api/v1/webhook", json=HOOK).json["id"]
    delivery_id = owner("POST", f"/api/v1/webhook/{webhook_id}/test").json["id"]
    token_id = tokens.id_of(users.create_token(database, find(database, "ann")))
    ids = {"task_id": task_id, "webhook_id": webhook_id, "delivery_id": delivery_id, "token_id": token_id}
    return ids | {"name": "console.css", "job_id": f"default.{task_id}"}


def content(database: Database) -> list[Any]:
    """All that is Ann's and can be changed."""
    tables = ("task", "token", "webhook", "webhook_secret", "webhook_delivery")
    ann = find(database, "ann").id
    return [sorted(database.all(f"SELECT * FROM {table} WHERE account_id = ?", ann), key=str) for table in tables]


def test_every_path_with_every_method_by_everybody(
    router: Router, clients: dict[str, Client], database: Database
) -> None:
    assert {route.path for route in router.routes} == set(EXPECTED), "a path without an entry here, or the reverse"
    wrong = []
    for path in EXPECTED:
        for method in METHODS:
            names = things(clients["owner"], database)
            before = content(database)
            # The owner comes last: he alone may change what is there.
            for who, status in reversed(list(zip(WHO, expected(path, method), strict=True))):
                body = {"json": BODIES[path]} if method == "POST" and path in BODIES else {}
                answer = clients[who](method, path.format(**names), **body)
                if answer.status_code != status:
                    wrong.append((method, path, who, answer.status_code, status))
                if who != "owner":
                    assert content(database) == before, (method, path, who)
                    assert not any(names[key] in answer.text for key in names if key != "name"), (method, path, who)
    assert wrong == []


def test_what_head_and_options_say(router: Router, clients: dict[str, Client], database: Database) -> None:
    for route in router.routes:
        path = route.path.format(**things(clients["owner"], database))
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
