"""The paths under /api/v1 while the queue is away: what is answered then, and every wrong way to ask."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import falcon.testing
import pytest
from redisq_api.database import Database

from tests.api.conftest import PASSWORDS, Client, basic

TASK = "/api/v1/task"


def test_a_post_is_accepted_though_redis_is_away(client: Client) -> None:
    answer = client.form("input_param=qwerty")
    task = answer.json
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{TASK}/{task['id']}"
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,100}", task["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", task.pop("created_at"))
    assert task.pop("queue") in ("default", "high")
    path = f"{TASK}/{task.pop('id')}"
    assert task == {
        "task": "shout",
        "input_param": "qwerty",
        "status": "accepted",
        "progress": None,
        "attempt": 1,
        "started_at": None,
        "finished_at": None,
        "result": None,
        "error": None,
        "links": {"self": path, "status": f"{path}/status", "result": f"{path}/result"},
    }


def test_a_list_is_answered_in_its_order(client: Client) -> None:
    answer = client.form("input_param[]=asd&input_param[]=zxc&input_param[]=123")
    assert answer.status_code == 202
    assert [task["input_param"] for task in answer.json] == ["asd", "zxc", "123"]
    assert [task["input_param"] for task in client("GET", TASK).json] == ["123", "zxc", "asd"]


@pytest.mark.parametrize("value", ["é\0\u2028", {"a": [1, None, 10**30]}, [["a", "b"]], 0, False, 1.25])
def test_json_comes_back_as_it_was(client: Client, value: Any) -> None:
    posted = client.json({"input_param": value, "task": "fail"}).json
    task = posted[0] if isinstance(value, list) else posted
    assert client("GET", task["links"]["self"]).json["input_param"] == (value[0] if isinstance(value, list) else value)


def test_the_views_of_a_task(client: Client) -> None:
    task = client.form("input_param=x").json
    links = task["links"]
    assert client("GET", links["self"]).json == task
    status = client("GET", links["status"])
    assert status.json == {"id": task["id"], "status": "accepted", "progress": None}
    result = client("GET", links["result"])
    assert (result.status_code, result.headers["Retry-After"]) == (202, "1")
    assert result.json == {"id": task["id"], "status": "accepted"}


@pytest.mark.parametrize("path", [TASK, f"{TASK}/{{id}}", f"{TASK}/{{id}}/status", f"{TASK}/{{id}}/result",
                                  "/api/v1/task-type", "/healthz", "/readyz"])  # fmt: skip
def test_with_and_without_the_trailing_slash_and_as_head(client: Client, path: str) -> None:
    path = path.format(id=client.form("input_param=x").json["id"])
    plain, slashed, head = client("GET", path), client("GET", path + "/"), client("HEAD", path)
    assert plain.status_code == slashed.status_code == head.status_code < 300
    assert plain.content == slashed.content != b""
    assert head.content == b""
    assert head.headers["Content-Length"] == plain.headers["Content-Length"]


def test_pages(client: Client) -> None:
    client.json({"input_param": [str(n) for n in range(7)]})
    path, seen = f"{TASK}?limit=3", []
    for size in (3, 3, 1):
        answer = client("GET", path)
        assert len(answer.json) == size
        seen += [task["input_param"] for task in answer.json]
        link = answer.headers.get("Link", "")
        path = link[1 : link.find(">")]
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]
    assert link == ""


def test_a_page_has_a_hundred_at_most_and_twenty_by_default(client: Client) -> None:
    client.json({"input_param": [str(n) for n in range(101)]})
    assert len(client("GET", f"{TASK}?limit=1000").json) == 100
    assert len(client("GET", TASK).json) == 20


def test_a_filter_finds_what_the_database_knows(client: Client) -> None:
    first, second = client.json({"input_param": ["a", "b"]}).json
    assert client("DELETE", first["links"]["self"]).status_code == 200
    assert [task["id"] for task in client("GET", f"{TASK}?status=cancelled").json] == [first["id"]]
    assert [task["id"] for task in client("GET", f"{TASK}?status=accepted").json] == [second["id"]]
    assert client("GET", f"{TASK}?status=running").json == []


def test_pages_of_a_filter(client: Client) -> None:
    for task in client.json({"input_param": [str(n) for n in range(6)]}).json[::2]:
        client("DELETE", task["links"]["self"])
    answer = client("GET", f"{TASK}?status=cancelled&limit=2")
    assert [task["input_param"] for task in answer.json] == ["4", "2"]
    link = answer.headers["Link"]
    answer = client("GET", link[1 : link.find(">")])
    assert [task["input_param"] for task in answer.json] == ["0"]
    assert "Link" not in answer.headers


@pytest.mark.parametrize(
    ("query", "code"),
    [("limit=0", "bad_limit"), ("limit=x", "bad_limit"), ("limit=-1", "bad_limit"), ("limit=", "bad_limit"),
     ("cursor=x", "bad_cursor"), ("cursor=%00", "bad_cursor"), ("status=x", "bad_status"), ("status=", "bad_status")],
)  # fmt: skip
def test_bad_queries(client: Client, query: str, code: str) -> None:
    answer = client("GET", f"{TASK}?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_a_cancelled_task(client: Client) -> None:
    path = client.form("input_param=x").json["links"]["self"]
    for _ in range(2):
        answer = client("DELETE", path)
        assert (answer.status_code, answer.json["status"], answer.json["error"]) == (200, "cancelled", "cancelled")
    result = client("GET", f"{path}/result")
    assert (result.status_code, result.json["status"], result.json["error"]) == (200, "cancelled", "cancelled")


def test_the_tasks_on_offer(client: Client) -> None:
    rest = {"queue": "default", "description": ""}
    assert client("GET", "/api/v1/task-type").json == [
        {"name": "shout", "default": True, "input_schema": {"type": "string"}, **rest},
        {"name": "fail", "default": False, "input_schema": {}, **rest},
    ]
    assert client.form("input_param=x&task=fail").json["task"] == "fail"


def test_the_default_task_can_be_set(make_client: Callable[..., Client], dead_url: str) -> None:
    assert make_client("ann", dead_url, task="fail").form("input_param=x").json["task"] == "fail"


def test_a_queue_is_one_of_those_granted(client: Client) -> None:
    assert client.form("input_param=x&queue=high").json["queue"] == "high"
    answer = client.form("input_param=x&queue=low")
    assert (answer.status_code, answer.json["code"]) == (403, "queue_not_granted")
    queues = {client.form("input_param=x").json["queue"] for _ in range(40)}
    assert queues == {"default", "high"}


def test_grants_count_from_the_next_request_on(client: Client, database: Database) -> None:
    with database.write():
        database.run("DELETE FROM worker")
    answer = client.form("input_param=x")
    assert (answer.status_code, answer.json["code"]) == (403, "no_worker")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("suffix", ["", "/status", "/result", "/record"])
def test_the_tasks_of_others_are_not_there(
    client: Client, make_client: Callable[..., Client], dead_url: str, method: str, suffix: str
) -> None:
    path = client.form("input_param=x").json["links"]["self"]
    theirs = make_client("bob", dead_url)
    expected = 404 if (method == "DELETE") == (suffix in ("", "/record")) or suffix == "" else 405
    answer = theirs(method, path + suffix)
    missing = theirs(method, f"{TASK}/{'0' * 30}{suffix}")
    assert answer.status_code == missing.status_code == expected
    assert answer.content == missing.content
    assert theirs("GET", TASK).json == []
    assert client("GET", path).json["status"] == "accepted"


@pytest.mark.parametrize("task_id", ["x", "%00", "..", "a" * 5000, "0" * 29 + "'", "%ff", "default.x"])
def test_ids_that_cannot_be(client: Client, task_id: str) -> None:
    answer = client("GET", f"{TASK}/{task_id}")
    assert (answer.status_code, answer.json["code"]) == (404, "task_not_found")


@pytest.mark.parametrize(
    "path", ["task", "task/x", "task/x/status", "task/x/result", "task/x/record", "task-type", "nowhere"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_nothing_without_credentials(make_client: Callable[..., Client], dead_url: str, path: str, method: str) -> None:
    answer = make_client(None, dead_url)(method, f"/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_basic_credentials_work_too(make_client: Callable[..., Client], dead_url: str) -> None:
    nobody = make_client(None, dead_url)
    assert nobody.form("input_param=x", Authorization=basic("ann", PASSWORDS["ann"])).status_code == 202
    assert nobody.form("input_param=x", Authorization=basic("ann", "wrong")).status_code == 401


def problem(answer: falcon.testing.Result) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status_code
    assert answer.json["type"] == "about:blank"
    assert answer.json["title"]
    return answer.status_code, answer.json["code"]


def test_errors_are_problems(client: Client) -> None:
    assert problem(client.form("")) == (422, "missing_input_param")
    assert problem(client.json({"input_param": "x", "callback": 1})) == (422, "unknown_field")
    assert problem(client.form("{", **{"Content-Type": "application/json"})) == (400, "malformed_body")
    assert problem(client.form("x", **{"Content-Type": "text/plain"})) == (415, "unsupported_media_type")
    assert problem(client.form("input_param=" + "x" * 1024 * 1024)) == (413, "too_large")
    assert problem(client("GET", "/nowhere")) == (404, "not_found")
    assert problem(client("GET", f"{TASK}/x/y")) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_a_method_that_a_path_does_not_have(client: Client, method: str) -> None:
    answer = client(method, TASK)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_method_that_nobody_has(client: Client) -> None:
    assert problem(client("BREW", TASK)) == (405, "method_not_allowed")


def test_what_is_unexpected_is_logged_and_not_told(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a secret")

    client.form("input_param=x")
    monkeypatch.setattr("redisq_api.store.page", broken)
    answer = client("GET", TASK)
    assert problem(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_a_database_that_is_away_is_a_503(client: Client, away: Callable[[], AbstractContextManager[None]]) -> None:
    with away():
        answer = client.form("input_param=x")
        assert problem(answer) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert client.form("input_param=x").status_code == 202
    assert len(client("GET", TASK).json) == 1


def test_ready_while_the_database_answers(client: Client, away: Callable[[], AbstractContextManager[None]]) -> None:
    assert (client("GET", "/healthz").status_code, client("GET", "/readyz").json) == (200, {"status": "degraded"})
    with away():
        assert problem(client("GET", "/readyz")) == (503, "unavailable")
        assert client("GET", "/healthz").status_code == 200
    assert client("GET", "/readyz").status_code == 200


def test_waiting_without_redis_ends_when_the_time_is_up(client: Client) -> None:
    task = client.form("input_param=x").json
    started = time.monotonic()
    answer = client("GET", task["links"]["result"] + "?wait=0.3")
    assert (answer.status_code, answer.json["status"]) == (202, "accepted")
    assert time.monotonic() - started >= 0.3


def test_waiting_without_redis_sees_what_the_database_is_told(client: Client) -> None:
    task = client.form("input_param=x").json
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client, "GET", task["links"]["result"] + "?wait=20")
        assert client("DELETE", task["links"]["self"]).status_code == 200
        assert waiting.result(timeout=15).json["status"] == "cancelled"
