"""From the end of a task to a receiver and back, over a real server and both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from redisq_api import clock
from redisq_api.database import Database
from redisq_api.relay import Relay
from redisq_api.webhooks import events, keys
from redisq_api.webhooks.transport import Outcome
from standardwebhooks import Webhook

import redisq
from tests.api.conftest import Client, find
from tests.api.webhooks.conftest import LOOPBACK, deliver
from tests.api.webhooks.receivers import Receiver, raw_receiver
from tests.api.working import TASK, post, work


def rows(database: Database, columns: str = "state, attempts, failures") -> list[Any]:
    return database.all(f"SELECT {columns} FROM webhook_delivery ORDER BY id")


def attempts(database: Database) -> list[Any]:
    return database.all("SELECT number, status, error FROM webhook_attempt ORDER BY delivery_id, number")


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    moment = clock.now() + round(seconds * clock.SECOND)
    monkeypatch.setattr(clock, "now", lambda: moment)


def end(client: Client, app: redisq.RedisQ, relay: Relay, url: str, **fields: Any) -> Any:
    """A task with a callback, which has ended; as it was posted."""
    task = post(client, callback_url=url, **fields)
    work(app)
    assert relay.collect(5.0) == 1
    return task


def test_a_task_that_ended_is_told(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    task = end(client, app, relay, there.url)
    assert rows(database) == [("pending", 0, 0)]
    assert relay.hand_over() == 1
    assert relay.hand_over() == 0, "it is with the worker"
    job = deliver(app)
    request = there.requests[0]
    secrets = keys.valid(database, find(database, "ann").id, events.CALLBACK)
    told = Webhook(secrets[0]).verify(request.body, request.headers)
    assert relay.collect(5.0) == 1
    shown = client("GET", f"{TASK}/{task['id']}").json
    names = ("id", "task", "queue", "status", "attempt", "created_at", "started_at", "finished_at", "result", "error")
    assert told == {
        "type": "task.succeeded",
        "timestamp": shown["finished_at"],
        "data": {name: shown[name] for name in names},
    }
    assert shown["result"] == told["data"]["result"] == "QWERTY"
    assert request.headers["content-type"] == "application/json"
    assert rows(database) == [("delivered", 1, 0)]
    assert attempts(database) == [(1, 204, None)]
    assert secrets[0] not in str(job)


def test_who_asks_for_nothing_is_told_nothing(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database
) -> None:
    post(client)
    work(app)
    relay.collect(5.0)
    assert rows(database) == []
    assert relay.hand_over() == 0


def test_every_task_of_a_list_and_every_end_is_told(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    first, second = post(client, ["a", "b"], callback_url=there.url)
    failing = post(client, "c", callback_url=there.url, task="fail")
    assert client("DELETE", f"{TASK}/{second['id']}").status_code == 200
    work(app, count=4)  # one of which fails three times
    while relay.collect(0.5):
        pass
    assert relay.hand_over() == 3
    for _ in range(3):
        deliver(app)
    told = [msgspec.json.decode(request.body) for request in there.requests]
    found = {(one["type"], one["data"]["id"], one["data"]["error"]) for one in told}
    assert found == {
        ("task.succeeded", first["id"], None),
        ("task.cancelled", second["id"], "cancelled"),
        ("task.failed", failing["id"], "RuntimeError: no c"),
    }


def test_a_task_that_is_cancelled_in_the_outbox_is_told(
    make: Callable[..., Client], there: Receiver, database: Database, relay: Relay, app: redisq.RedisQ
) -> None:
    blind = make("ann", webhook_allow=LOOPBACK)
    task = post(blind, callback_url=there.url)
    with database.write():
        database.run("UPDATE task SET on_its_way = 0")
    assert blind("DELETE", f"{TASK}/{task['id']}").json["status"] == "cancelled"
    relay.hand_over()
    deliver(app)
    assert msgspec.json.decode(there.requests[0].body)["type"] == "task.cancelled"


def test_a_large_result_is_left_out(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    end(client, app, relay, there.url, value="x" * events.MAX_RESULT)
    relay.hand_over()
    deliver(app)
    data = msgspec.json.decode(there.requests[0].body)["data"]
    assert "result" not in data
    assert data["status"] == "succeeded"


def test_it_is_tried_again_and_then_given_up(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    there.status = 500
    end(client, app, relay, there.url)
    for number, pause in ((1, 60), (2, 3600)):
        assert relay.hand_over() == 1
        deliver(app)
        before = clock.now()
        relay.collect(5.0)
        ((state, count, due),) = rows(database, "state, failures, due_at")
        assert (state, count) == ("pending", number)
        assert pause <= (due - before) / clock.SECOND <= pause * 1.1 + 5
        assert relay.hand_over() == 0
        later(monkeypatch, pause * 1.1 + 1)
    relay.hand_over()
    deliver(app)
    relay.collect(5.0)
    assert rows(database) == [("failed", 3, 2)]
    assert attempts(database) == [(n, 500, "it answered 500") for n in (1, 2, 3)]
    assert len({request.headers["webhook-id"] for request in there.requests}) == 1
    assert len({request.body for request in there.requests}) == 1
    later(monkeypatch, 10**6)
    assert relay.hand_over() == 0


def test_retry_after_is_heeded(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    there.status, there.headers = 429, {"Retry-After": "1000"}
    end(client, app, relay, there.url)
    relay.hand_over()
    deliver(app)
    before = clock.now()
    relay.collect(5.0)
    assert rows(database, "due_at")[0][0] >= before + 1000 * clock.SECOND


def test_gone_is_not_tried_again(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    there.status = 410
    end(client, app, relay, there.url)
    relay.hand_over()
    deliver(app)
    relay.collect(5.0)
    assert rows(database) == [("failed", 1, 0)]


def test_a_job_that_redis_lost_is_handed_over_again(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    end(client, app, relay, there.url)
    relay.hand_over()
    app.queue("webhooks").purge()
    job = f"webhooks.{rows(database, 'id')[0][0]}-1"
    app.job(job).delete()
    relay._courier.sweep()
    assert rows(database) == [("sending", 1, 0)], "too early to tell"
    later(monkeypatch, 61)
    relay._courier.sweep()
    later(monkeypatch, 6)
    assert relay.hand_over() == 1
    deliver(app)
    relay.collect(5.0)
    assert rows(database) == [("delivered", 2, 0)]
    assert [number for number, _, _ in attempts(database)] == [2]


def test_an_outcome_that_nobody_told_is_found(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    end(client, app, relay, there.url)
    relay.hand_over()
    deliver(app)
    later(monkeypatch, 61)
    relay._courier.sweep()
    assert rows(database) == [("delivered", 1, 0)]
    relay.collect(5.0)
    assert attempts(database) == [(1, 204, None)], "told twice, noted once"


def test_what_was_too_late_to_be_run_is_signed_anew(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    monkeypatch.setattr("redisq_api.webhooks.courier._FRESH", 0.001)
    end(client, app, relay, there.url)
    relay.hand_over()
    assert app.queue("webhooks").claim(timeout=0.2) is None
    assert relay.collect(5.0) == 1
    assert (rows(database), attempts(database)) == ([("pending", 1, 0)], [])
    monkeypatch.undo()
    later(monkeypatch, 6)
    relay.hand_over()
    deliver(app)
    assert len(there.requests) == 1


def test_a_worker_that_failed_counts_as_an_attempt(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    end(client, app, relay, there.url)
    relay.hand_over()
    delivery = app.queue("webhooks").claim(timeout=5.0)
    assert delivery is not None
    delivery.nack(RuntimeError("no \0 memory"))
    assert relay.collect(5.0) == 1
    assert rows(database) == [("pending", 1, 1)]
    assert attempts(database) == [(1, None, "the worker failed: RuntimeError: no \ufffd memory")]


def test_both_secrets_sign_after_a_rotation(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    ann = find(database, "ann").id
    with database.write():
        first = keys.rotate(database, ann, events.CALLBACK)
        second = keys.rotate(database, ann, events.CALLBACK)
        third = keys.rotate(database, ann, events.CALLBACK)
    assert keys.valid(database, ann, events.CALLBACK) == [third, second]
    end(client, app, relay, there.url)
    relay.hand_over()
    deliver(app)
    request = there.requests[0]
    for secret in (third, second):
        Webhook(secret).verify(request.body, request.headers)
    assert len(request.headers["webhook-signature"].split()) == 2
    assert first not in str(database.all("SELECT * FROM webhook_secret"))
    later(monkeypatch, 25 * 3600)
    assert keys.valid(database, ann, events.CALLBACK) == [third]


def test_no_account_has_more_than_its_share(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, make_client: Callable[..., Client],
    redis_url: str,
) -> None:  # fmt: skip
    bob = find(database, "bob").id
    with raw_receiver(lambda connection: None) as url, database.write():
        for account, count in ((find(database, "ann").id, 25), (bob, 3)):
            for _ in range(count):
                events.add(database, account, events.Receiver(events.CALLBACK, url), events.TEST, {}, None)
    assert relay.hand_over() == 13
    assert relay.hand_over() == 0
    sending = database.all("SELECT account_id, count(*) FROM webhook_delivery WHERE state = 'sending' GROUP BY 1")
    assert sorted(count for _, count in sending) == [3, 10]
    for _ in range(13):
        delivery = app.queue("webhooks").claim(timeout=5.0)
        assert delivery is not None
        delivery.ack(msgspec.to_builtins(Outcome(1, 1, 200)))
    relay.collect(5.0)
    assert relay.hand_over() == 10


def test_what_ended_long_ago_is_forgotten(
    client: Client, app: redisq.RedisQ, there: Receiver, database: Database, monkeypatch: Any
) -> None:
    relay = Relay(database, app, 1000, keep_days=7)
    end(client, app, relay, there.url)
    relay.hand_over()
    deliver(app)
    relay.collect(5.0)
    end(client, app, relay, there.url)
    later(monkeypatch, 8 * 86400)
    assert relay.clean() == 2
    assert rows(database) == [("pending", 0, 0)], "only what has been delivered, or given up"
    assert attempts(database) == []


def test_a_record_that_is_deleted_takes_what_was_told_of_it_along(
    client: Client, app: redisq.RedisQ, relay: Relay, there: Receiver, database: Database
) -> None:
    task = end(client, app, relay, there.url)
    assert client("DELETE", f"{TASK}/{task['id']}/record").status_code == 204
    assert rows(database) == []
