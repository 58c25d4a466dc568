"""Query strings and headers: filters of lists over HTTP, times, and how long to wait."""

from __future__ import annotations

from urllib.parse import quote

import falcon
import falcon.testing
import pytest
from redisq_api import queries

from tests.api.conftest import Client

TASK = "/api/v1/task"


def request(query: str = "", **headers: str) -> falcon.Request:
    return falcon.testing.create_req(query_string=query, headers=headers)


def inputs(client: Client, query: str) -> list[str]:
    answer = client("GET", f"{TASK}?{query}")
    assert answer.status_code == 200, answer.text
    return [task["input_param"] for task in answer.json]


def test_filters_by_queue_and_task(client: Client) -> None:
    for value, queue, task in (("a", "high", "shout"), ("b", "default", "shout"), ("c", "high", "fail")):
        client.json({"input_param": value, "queue": queue, "task": task})
    assert inputs(client, "queue=high") == ["c", "a"]
    assert inputs(client, "task=shout") == ["b", "a"]
    assert inputs(client, "task=shout&queue=high") == ["a"]
    assert inputs(client, "task=shout&queue=high&status=accepted") == ["a"]
    assert inputs(client, "queue=nowhere") == inputs(client, "task=n%C3%A9") == []


def test_filters_by_time_leave_out_the_moment_itself(client: Client) -> None:
    tasks = client.json({"input_param": ["a", "b", "c", "d"]}).json
    moments = [task["created_at"] for task in tasks]
    assert moments == sorted(set(moments)), "the order of a list is that of its times"
    assert inputs(client, f"created_after={moments[0]}&created_before={moments[3]}") == ["c", "b"]
    assert inputs(client, f"created_after={moments[3]}") == []
    assert inputs(client, f"created_before={moments[0]}") == []
    elsewhere = moments[0].replace("Z", "+00:00")
    assert inputs(client, f"created_after={quote(elsewhere)}") == inputs(client, f"created_after={elsewhere}")
    assert inputs(client, "created_after=9999-12-31T23:59:59Z") == []
    assert len(inputs(client, "created_after=0001-01-01T00:00:00Z")) == 4


def test_the_next_page_keeps_the_filter(client: Client) -> None:
    client.json({"input_param": ["a", "b", "c"], "queue": "high"})
    client.json({"input_param": ["x", "y"], "queue": "default"})
    path, seen = f"{TASK}?queue=high&limit=2&created_after=2020-01-01T00:00:00%2B02:00", []
    while path:
        answer = client("GET", path)
        seen.append([task["input_param"] for task in answer.json])
        link = answer.headers.get("Link", "")
        path = link[1 : link.find(">")]
    assert seen == [["c", "b"], ["a"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [("queue=", "bad_queue"), ("queue=%00", "bad_queue"), ("task=", "bad_task"), ("task=%0A", "bad_task"),
     ("task=" + "x" * 201, "bad_task"), ("created_after=yesterday", "bad_time"), ("created_before=", "bad_time"),
     ("created_before=2026-01-01", "bad_time"), ("created_after=2026-01-01T00:00:00", "bad_time"),
     ("created_after=1700000000", "bad_time"), ("limit=1.5", "bad_limit"), ("limit=" + "9" * 5000, "bad_limit")],
)  # fmt: skip
def test_bad_filters(client: Client, query: str, code: str) -> None:
    answer = client("GET", f"{TASK}?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_the_last_of_several_counts(client: Client) -> None:
    client.json({"input_param": ["a", "b", "c"]})
    assert len(inputs(client, "limit=1&limit=2")) == 2


@pytest.mark.parametrize(
    ("query", "header", "seconds", "is_preference"),
    [
        ("", "", 0.0, False),
        ("wait=2.5", "", 2.5, False),
        ("wait=1e9", "", 30.0, False),
        ("wait=2", "wait=9", 2.0, False),
        ("", "wait=9", 9.0, True),
        ("", 'respond-async, Wait = "9"; x', 9.0, True),
        ("", "wait=900", 30.0, True),
        ("", "wait=x", 0.0, False),
        ("", "await=9", 0.0, False),
    ],
)
def test_how_long_to_wait(query: str, header: str, seconds: float, is_preference: bool) -> None:
    wait = queries.wait(request(query, Prefer=header))
    assert (wait.seconds, wait.is_preference) == (seconds, is_preference)
