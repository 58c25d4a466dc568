"""Webhooks over HTTP: endpoints, secrets, and the log of deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redisq_api.database import Database
from redisq_api.relay import Relay
from redisq_api.webhooks import endpoints, events, log
from standardwebhooks import Webhook

import redisq
from tests.api.conftest import Client, find
from tests.api.webhooks.conftest import LOOPBACK, deliver
from tests.api.webhooks.receivers import Receiver
from tests.api.working import TASK, post, work

HOOK = "/api/v1/webhook"
LOG = "/api/v1/webhook-delivery"


def register(client: Client, url: str, **fields: Any) -> Any:
    answer = client("POST", HOOK, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json


def run(relay: Relay, app: redisq.RedisQ, count: int = 1) -> None:
    """Has what is due sent, and noted."""
    assert relay.hand_over() == count
    for _ in range(count):
        deliver(app)
    relay.collect(5.0)


def test_an_endpoint_is_told_of_what_it_asked_for(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver
) -> None:
    made = register(client, there.url, events=["task.failed", "task.succeeded"])
    register(client, there.url, events=["task.cancelled"])
    task = post(client)
    work(app)
    relay.collect(5.0)
    run(relay, app)
    request = there.requests[0]
    assert Webhook(made["secret"]).verify(request.body, request.headers)["data"]["id"] == task["id"]
    (delivery,) = client("GET", LOG).json
    attempt = delivery.pop("attempts")[0]
    assert (attempt["status"], attempt["error"], attempt["response"]) == (204, None, "")
    assert 0 < attempt["seconds"] < 5
    assert delivery == {
        "id": request.headers["webhook-id"], "webhook": made["id"], "task": task["id"], "event": "task.succeeded",
        "url": there.url, "status": "delivered", "created_at": delivery["created_at"], "next_attempt_at": None,
        "finished_at": delivery["finished_at"],
    }  # fmt: skip
    assert delivery["created_at"] <= attempt["at"] <= delivery["finished_at"]


def test_a_secret_is_shown_once(client: Client, database: Database) -> None:
    made = register(client, "https://hook.example/")
    secret = made.pop("secret")
    assert made["events"] == list(events.EVENTS)
    assert client("GET", HOOK).json == [made]
    assert client("GET", f"{HOOK}/{made['id']}").json == made
    new = client("POST", f"{HOOK}/{made['id']}/secret").json["secret"]
    assert new != secret
    shown = client("GET", HOOK).text + client("GET", f"{HOOK}/{made['id']}").text
    assert secret not in shown
    assert new not in shown


def test_the_secret_of_callbacks(client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver) -> None:
    secret = client("POST", "/api/v1/webhook-secret").json["secret"]
    post(client, callback_url=there.url)
    work(app)
    relay.collect(5.0)
    run(relay, app)
    Webhook(secret).verify(there.requests[0].body, there.requests[0].headers)


def test_gone_disables_an_endpoint(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    hook = f"{HOOK}/{register(client, there.url)['id']}"
    waiting = client("POST", f"{hook}/test")
    assert waiting.status_code == 202
    there.answers = [410]
    first = client("POST", f"{hook}/test").json
    with database.write():
        database.run("UPDATE webhook_delivery SET due_at = due_at + 60000000 WHERE id = ?", waiting.json["id"])
    run(relay, app)
    assert client("GET", hook).json["status"] == "disabled"
    assert client("GET", f"{LOG}/{first['id']}").json["status"] == "failed"
    for path in (f"{hook}/test", f"{LOG}/{first['id']}/resend"):
        assert (client("POST", path).status_code, client("POST", path).json["code"]) == (409, "webhook_disabled")
    with database.write():
        database.run("UPDATE webhook_delivery SET due_at = 0 WHERE id = ?", waiting.json["id"])
    assert relay.hand_over() == 0
    attempts = client("GET", waiting.headers["Location"]).json["attempts"]
    assert attempts[0]["error"] == "the endpoint is disabled"
    post(client)
    work(app)
    relay.collect(5.0)
    assert len(client("GET", LOG).json) == 2, "it is told no more"
    assert client("POST", f"{hook}/enable").json["status"] == "enabled"
    assert client("POST", f"{hook}/test").status_code == 202


def test_a_delivery_is_sent_again(client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver) -> None:
    there.answers = [500]
    delivery = client("POST", f"{HOOK}/{register(client, there.url)['id']}/test").json
    path = f"{LOG}/{delivery['id']}"
    run(relay, app)
    shown = client("GET", path).json
    assert (shown["status"], shown["attempts"][0]["error"]) == ("pending", "it answered 500")
    assert shown["next_attempt_at"] > shown["attempts"][0]["at"]
    assert client("POST", f"{path}/resend").status_code == 202
    run(relay, app)
    assert client("GET", path).json["status"] == "delivered"
    client("POST", f"{path}/resend")
    run(relay, app)
    shown = client("GET", path).json
    assert [one["status"] for one in shown["attempts"]] == [500, 204, 204]
    assert {request.headers["webhook-id"] for request in there.requests} == {delivery["id"]}


def test_what_is_being_sent_is_not_sent_again(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver
) -> None:
    delivery = client("POST", f"{HOOK}/{register(client, there.url)['id']}/test").json
    assert relay.hand_over() == 1
    assert client("POST", f"{LOG}/{delivery['id']}/resend").json["status"] == "pending"
    assert relay.hand_over() == 0


def test_a_deleted_endpoint_is_told_nothing_any_more(
    client: Client, relay: Relay, there: Receiver, database: Database
) -> None:
    made = register(client, there.url)
    client("POST", f"{HOOK}/{made['id']}/test")
    assert client("DELETE", f"{HOOK}/{made['id']}").status_code == 204
    assert client("GET", f"{HOOK}/{made['id']}").json["code"] == "webhook_not_found"
    assert client("GET", LOG).json == []
    assert relay.hand_over() == 0
    assert database.all("SELECT * FROM webhook_secret") == []


def test_pages_and_filters(client: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = find(database, "ann").id
    with database.write():
        ids = [
            events.add(database, owner, events.Receiver(hook, "http://h.example/"), events.TEST, {}, None, task)
            for hook, task in [("wh_1", "a"), ("wh_2", "b"), ("", "a"), ("wh_1", "c"), ("wh_1", "d")]
        ]
        database.run("UPDATE webhook_delivery SET state = 'sending' WHERE id = ?", ids[1])
        database.run("UPDATE webhook_delivery SET state = 'failed' WHERE id = ?", ids[2])
    for scan in (20_000, 2):
        monkeypatch.setattr(log, "SCAN", scan)
        for query, wanted in [
            ("", [4, 3, 2, 1, 0]), ("task=a&", [2, 0]), ("webhook=wh_1&", [4, 3, 0]), ("status=failed&", [2]),
            ("status=pending&", [4, 3, 1, 0]), ("webhook=wh_1&task=d&status=pending&", [4]), ("task=z&", []),
        ]:  # fmt: skip
            found, path = [], f"{LOG}?{query}limit=2"
            while path:
                answer = client("GET", path)
                assert answer.status_code == 200, answer.text
                found += [one["id"] for one in answer.json]
                path = answer.headers.get("Link", "<").split(">")[0][1:]
            assert found == [ids[n] for n in wanted], (scan, query)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_url"),
        ({"url": 7}, "bad_url"),
        ({"url": "ftp://a.example/"}, "bad_url"),
        ({"url": "http://10.0.0.1/"}, "bad_url"),
        ({"url": "http://a.example/", "events": []}, "bad_events"),
        ({"url": "http://a.example/", "events": ["task.started"]}, "bad_events"),
        ({"url": "http://a.example/", "secret": "x"}, "unknown_field"),
    ],
)
def test_what_is_no_endpoint(make: Callable[..., Client], body: Any, code: str) -> None:
    answer = make("ann")("POST", HOOK, json=body)
    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_a_form(client: Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "url=https://a.example/&events=task.failed&events=task.cancelled"
    made = client("POST", HOOK, body=body, headers=form)
    assert made.json["events"] == ["task.failed", "task.cancelled"]
    assert made.headers["Location"] == f"{HOOK}/{made.json['id']}"
    twice = client("POST", HOOK, body="url=https://a.example/&url=https://b.example/", headers=form)
    assert twice.json["code"] == "repeated_field"


def test_so_many_and_no_more(client: Client) -> None:
    for _ in range(endpoints.MOST):
        register(client, "https://a.example/")
    answer = client("POST", HOOK, json={"url": "https://a.example/"})
    assert (answer.status_code, answer.json["code"]) == (409, "too_many_webhooks")


@pytest.mark.parametrize("url", ["", "nowhere", "http://127.0.0.1/", "http://169.254.169.254/", "http://u:p@a.example/"])
def test_a_bad_callback_url_is_refused(make: Callable[..., Client], url: str) -> None:
    answer = make("ann").json({"input_param": "x", "callback_url": url})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_callback_url")
    assert answer.json["errors"][0]["pointer"] == "#/callback_url"
    form = make("ann").form(f"input_param=x&callback_url={url}")
    assert (form.status_code, form.json["code"]) == (422, "bad_callback_url")


def test_a_retried_task_is_told_again(client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver) -> None:
    task = post(client, callback_url=there.url, task="fail")
    work(app, count=3)
    relay.collect(5.0)
    assert client("POST", f"{TASK}/{task['id']}/retry").status_code == 202
    relay.hand_over()
    work(app, count=3)
    while relay.collect(0.5):
        pass
    assert [one["task"] for one in client("GET", LOG).json] == [task["id"]] * 2


def test_a_callback_url_stays_a_secret_of_its_owner(
    client: Client, make_client: Callable[..., Client], redis_url: str
) -> None:
    task = post(client, callback_url="https://hook.example/?key=x")
    assert "key=x" not in client("GET", f"{TASK}/{task['id']}").text
    assert make_client("bob", redis_url, webhook_allow=LOOPBACK)("GET", LOG).json == []
