"""ETag and If-None-Match: 304 exactly while the answer would be the same."""

from __future__ import annotations

from typing import Any

import pytest
from redisq_api.database import Database

from tests.api.conftest import Client

TASK = "/api/v1/task"
SUFFIXES = ("", "/status", "/result")


def set_state(database: Database, task: Any, state: str) -> None:
    with database.write():
        database.run("UPDATE task SET state = ?, result = ? WHERE id = ?", state, '{"a":1}', task["id"])


@pytest.fixture
def task(client: Client) -> Any:
    return client.form("input_param=x").json


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["", "/status", TASK, "/api/v1/task-type", "/openapi.json"])
def test_what_is_known_is_not_sent_again(client: Client, task: Any, method: str, path: str) -> None:
    path = path if path.startswith("/api") or path.endswith(".json") else f"{TASK}/{task['id']}{path}"
    first = client("GET", path)
    tag = first.headers["ETag"]
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "private, no-cache")
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client(method, path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in again.headers
        assert again.headers["Cache-Control"] == "private, no-cache"
    for unknown in ('"other"', tag.strip('"')[:-1], '""', ""):
        assert client(method, path, headers={"If-None-Match": unknown}).status_code == 200


def test_the_tag_changes_with_the_task_and_only_then(client: Client, task: Any, database: Database) -> None:
    seen: dict[str, list[str]] = {suffix: [] for suffix in SUFFIXES}
    for state in ("accepted", "accepted", "failed", "succeeded", "succeeded"):
        set_state(database, task, state)
        for suffix in SUFFIXES:
            answer = client("GET", f"{TASK}/{task['id']}{suffix}")
            seen[suffix].append(answer.headers.get("ETag", ""))
    for suffix in ("", "/status"):
        a, b, c, d, e = seen[suffix]
        assert a == b != c != d == e
        assert a != d
    assert seen["/result"][:2] == ["", ""], "what is not there yet has no tag"
    assert seen["/result"][3] == seen["/result"][4] != seen["/result"][2]


def test_a_change_in_the_list_is_seen(client: Client, task: Any) -> None:
    tag = client("GET", TASK).headers["ETag"]
    client.form("input_param=y")
    answer = client("GET", TASK, headers={"If-None-Match": tag})
    assert (answer.status_code, len(answer.json)) == (200, 2)


def test_the_tag_of_one_user_is_nothing_to_another(client: Client, task: Any, make_client: Any, dead_url: str) -> None:
    path = f"{TASK}/{task['id']}"
    tag = client("GET", path).headers["ETag"]
    assert make_client("bob", dead_url)("GET", path, headers={"If-None-Match": tag}).status_code == 404
    assert make_client("bob", dead_url)("GET", path, headers={"If-None-Match": "*"}).status_code == 404
