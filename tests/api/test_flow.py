"""From a POST to a result over a real server: what the user sees on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redisq_api.database import Database
from redisq_api.jobs import Jobs
from redisq_api.relay import Relay

import redisq
from tests.api.conftest import Client
from tests.api.working import TASK, post, state_in_database, work
from tests.servers import Server


@pytest.fixture
def client(make_client: Callable[..., Client], redis_url: str) -> Client:
    """Ann's client of a service whose Redis is there."""
    return make_client("ann", redis_url)


def test_a_task_is_queued_run_and_noted(client: Client, app: redisq.RedisQ, relay: Relay, database: Database) -> None:
    task = post(client)
    assert task["status"] == "queued"
    assert app.job(f"default.{task['id']}").args == ["qwerty"]
    work(app)
    live = client("GET", task["links"]["self"]).json
    assert (live["status"], live["result"], live["error"], live["attempt"]) == ("succeeded", "QWERTY", None, 1)
    assert live["created_at"] <= live["started_at"] <= live["finished_at"]
    assert state_in_database(database, task) == "accepted"
    assert relay.collect(1.0) == 1
    assert state_in_database(database, task) == "succeeded"
    assert client("GET", task["links"]["self"]).json == live
    result = client("GET", task["links"]["result"])
    assert (result.status_code, result.json) == (200, {"id": task["id"], "status": "succeeded", "result": "QWERTY"})
    assert relay.collect() == 0


def test_a_failed_task(client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    task = post(client, task="fail")
    work(app, count=3)
    for _ in range(2):
        result = client("GET", task["links"]["result"])
        assert result.status_code == 200
        assert result.json["status"] == "failed"
        assert "no qwerty" in result.json["error"]
        relay.collect(1.0)


def test_live_states_and_progress(client: Client, app: redisq.RedisQ) -> None:
    task = post(client)
    later = post(client, delay=3600)
    assert (later["status"], client("GET", later["links"]["status"]).json["status"]) == ("scheduled", "scheduled")
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    status = client("GET", task["links"]["status"])
    assert status.json == {"id": task["id"], "status": "running", "progress": None}
    assert [seen["id"] for seen in client("GET", f"{TASK}?status=running").json] == [task["id"]]
    assert [seen["id"] for seen in client("GET", f"{TASK}?status=scheduled").json] == [later["id"]]
    assert client("GET", f"{TASK}?status=queued").json == []
    delivery.ack("done")
    assert [seen["id"] for seen in client("GET", f"{TASK}?status=succeeded").json] == [task["id"]]


def test_lists_keep_their_order(client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    tasks = post(client, ["a", "b", "c"])
    work(app, count=3)
    assert relay.collect(1.0) == 3
    assert [client("GET", task["links"]["result"]).json["result"] for task in tasks] == ["A", "B", "C"]
    times = [client("GET", task["links"]["self"]).json["started_at"] for task in tasks]
    assert times == sorted(times)


@pytest.mark.parametrize("how", ["query", "header"])
def test_waiting_for_a_result(client: Client, app: redisq.RedisQ, how: str) -> None:
    task = post(client)
    path, headers = task["links"]["result"], {}
    if how == "query":
        path += "?wait=20"
    else:
        headers = {"Prefer": "respond-async, wait=20"}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client, "GET", path, headers=headers)
        work(app)
        result = waiting.result(timeout=15)
    assert (result.status_code, result.json["result"]) == (200, "QWERTY")
    assert result.headers.get("Preference-Applied") == (None if how == "query" else "wait=20")


def test_waiting_ends_when_the_time_is_up(client: Client) -> None:
    task = post(client)
    started = time.monotonic()
    result = client("GET", task["links"]["result"] + "?wait=0.3")
    assert result.status_code == 202
    assert 0.3 <= time.monotonic() - started < 5.0


def test_too_many_waiters_are_answered_at_once(make_client: Callable[..., Client], redis_url: str) -> None:
    client = make_client("ann", redis_url, waiters=0)
    started = time.monotonic()
    assert client("GET", post(client)["links"]["result"] + "?wait=20").status_code == 202
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "1e", ""])
def test_bad_waits(client: Client, wait: str) -> None:
    answer = client("GET", f"{post(client)['links']['result']}?wait={wait}")
    assert (answer.status_code, answer.json["code"]) == (422, "bad_wait")


def test_cancelling_what_is_queued(client: Client, app: redisq.RedisQ, relay: Relay, database: Database) -> None:
    task = post(client)
    for _ in range(2):
        answer = client("DELETE", task["links"]["self"])
        assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert app.queue("default").claim(timeout=0.0) is None
    assert relay.collect(1.0) == 1
    assert state_in_database(database, task) == "cancelled"
    assert client("DELETE", task["links"]["self"]).status_code == 200
    assert client("GET", task["links"]["result"]).json["error"] == "cancelled"


def test_cancelling_what_runs_asks_it_to_stop(client: Client, app: redisq.RedisQ) -> None:
    task = post(client)
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    answer = client("DELETE", task["links"]["self"])
    assert (answer.status_code, answer.json["status"]) == (202, "running")
    delivery.release()
    assert client("GET", task["links"]["status"]).json["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    task = post(client)
    work(app)
    for _ in range(2):
        answer = client("DELETE", task["links"]["self"])
        assert (answer.status_code, answer.json["code"]) == (409, "already_ended")
        relay.collect(1.0)


@pytest.mark.parametrize("is_noted", [True, False])
def test_an_ended_task_is_deleted_here_and_in_the_queue(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, is_noted: bool
) -> None:
    task, other = post(client, ["a", "b"])
    path = task["links"]["self"] + "/record"
    waiting = client("DELETE", path)
    assert (waiting.status_code, waiting.json["code"]) == (409, "not_ended")
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    assert client("DELETE", path).status_code == 409
    delivery.ack("done")
    if is_noted:
        assert relay.collect(1.0) == 1
    answer = client("DELETE", path + "/")
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (client("DELETE", path), client("GET", task["links"]["self"]), client("GET", task["links"]["result"])):
        assert (gone.status_code, gone.json["code"]) == (404, "task_not_found")
    assert [seen["id"] for seen in client("GET", TASK).json] == [other["id"]]
    work(app)
    assert relay.collect(1.0) > 0
    assert app.find_jobs([f"default.{task['id']}"]) == [None], "its record stays only until the feed knows"
    assert state_in_database(database, other) == "succeeded"
    assert database.one("SELECT count(*) FROM task") == (1,)


def test_a_failed_task_that_was_deleted_is_no_dead_letter_any_more(
    client: Client, app: redisq.RedisQ, relay: Relay
) -> None:
    task = post(client, task="fail")
    work(app, count=3)
    assert app.queue("default").counts()["failed"] == 1
    assert client("DELETE", task["links"]["self"] + "/record").status_code == 204
    assert app.queue("default").counts()["failed"] == 0


def test_a_post_with_a_key_is_enqueued_at_once_too(client: Client, app: redisq.RedisQ) -> None:
    answers = [client.json({"input_param": "x", "queue": "default"}, **{"Idempotency-Key": "k"}).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["status"] == "accepted"
    assert client("GET", answers[0]["links"]["status"]).json["status"] == "queued"
    assert app.queue("default").counts()["queued"] == 1


def test_a_task_cancelled_before_its_own_post_has_enqueued_it_does_not_run(
    client: Client, app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue = Jobs.enqueue

    def cancel_first(jobs: Jobs, tasks: Any) -> Any:
        assert client("DELETE", f"{TASK}/{tasks[0].id}").status_code == 200
        return enqueue(jobs, tasks)

    monkeypatch.setattr(Jobs, "enqueue", cancel_first)
    task = post(client)
    assert app.job(f"default.{task['id']}").status == "cancelled"
    assert client("GET", task["links"]["status"]).json["status"] == "cancelled"


def test_a_server_that_answers_nothing_holds_nobody_up(
    make_client: Callable[..., Client], new_server: Callable[..., Server]
) -> None:
    server = new_server()
    client = make_client("ann", server.url)
    queued = post(client)
    server.pause()
    try:
        started = time.monotonic()
        assert post(client)["status"] == "accepted"
        assert client("GET", queued["links"]["status"]).json["status"] == "accepted"
        for _ in range(20):
            post(client)
        assert time.monotonic() - started < 20.0, "one call at a time tries, the others do not wait"
    finally:
        server.resume()


def test_a_cancel_that_only_redis_could_answer_is_to_be_sent_again(
    make_client: Callable[..., Client], new_server: Callable[..., Server]
) -> None:
    server = new_server()
    client = make_client("ann", server.url)
    task = post(client)
    server.kill()
    answer = client("DELETE", task["links"]["self"])
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("how", ["query", "header"])
def test_a_post_that_waits_answers_with_the_results(client: Client, app: redisq.RedisQ, how: str) -> None:
    path, headers = (f"{TASK}?wait=20", {}) if how == "query" else (TASK, {"Prefer": "wait=20"})
    with ThreadPoolExecutor(1) as pool:
        body = {"input_param": ["a", "b"], "queue": "default"}
        posted = pool.submit(client, "POST", path, json=body, headers=headers)
        work(app, count=2)
        answer = posted.result(timeout=15)
    assert answer.status_code == 200
    assert [task["result"] for task in answer.json] == ["A", "B"]
    assert answer.headers["Location"] == TASK
    assert answer.headers.get("Preference-Applied") == (None if how == "query" else "wait=20")


def test_a_post_that_has_waited_in_vain_is_a_202(client: Client) -> None:
    answer = client("POST", f"{TASK}?wait=0.2", json={"input_param": "x"})
    assert (answer.status_code, answer.json["status"]) == (202, "queued")


def test_a_preference_is_not_confirmed_when_too_many_wait(make_client: Callable[..., Client], redis_url: str) -> None:
    client = make_client("ann", redis_url, waiters=0)
    answer = client("POST", TASK, json={"input_param": "x"}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


def test_a_key_and_a_wait(client: Client, app: redisq.RedisQ) -> None:
    body, key = {"input_param": "x", "queue": "default"}, {"Idempotency-Key": "k"}
    first = client.json(body, **key)
    work(app)
    waited = client("POST", f"{TASK}?wait=5", json=body, headers=key)
    assert (waited.status_code, waited.json["id"], waited.json["result"]) == (200, first.json["id"], "X")
    assert client.json(body, **key).content == first.content
    assert app.queue("default").counts()["queued"] == 0


def test_waiting_for_a_status(client: Client, app: redisq.RedisQ) -> None:
    task = post(client)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client, "GET", task["links"]["status"] + "?wait=20")
        work(app)
        answer = waiting.result(timeout=15)
    assert answer.json["status"] == "succeeded"
    assert "Retry-After" not in answer.headers


def test_the_tag_follows_what_only_redis_knows(client: Client, app: redisq.RedisQ) -> None:
    task = post(client)
    known = {"If-None-Match": client("GET", task["links"]["status"]).headers["ETag"]}
    assert client("GET", task["links"]["status"], headers=known).status_code == 304
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    after = client("GET", task["links"]["status"], headers=known)
    assert (after.status_code, after.json["status"]) == (200, "running")
    delivery.ack("done")


def test_a_thousand_at_once(client: Client) -> None:
    tasks = post(client, [str(n) for n in range(1000)])
    assert [task["input_param"] for task in tasks] == [str(n) for n in range(1000)]
    assert {task["status"] for task in tasks} == {"accepted"}  # so many are the relay's
    assert len(client("GET", f"{TASK}?limit=100").json) == 100
    answer = client.json({"input_param": ["x"] * 1001})
    assert (answer.status_code, answer.json["code"]) == (422, "too_many_input_params")


@pytest.mark.parametrize("is_told", [True, False])
def test_a_failed_task_is_retried(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, is_told: bool
) -> None:
    task = post(client, task="fail")
    path = task["links"]["self"] + "/retry"
    assert client("POST", path).json["code"] == "not_failed"
    work(app, count=3)
    if is_told:
        assert relay.collect(1.0) == 1
    assert client("GET", task["links"]["self"]).json["status"] == "failed"
    answer = client("POST", path)
    assert (answer.status_code, answer.json["status"], answer.json["error"]) == (202, "accepted", None)
    assert answer.json["finished_at"] is None
    assert answer.headers["Location"] == task["links"]["self"]
    assert app.queue("default").counts()["failed"] == 0, "the job of the first run is gone"
    assert client("POST", path).status_code == 409
    relay.collect()
    relay.hand_over()
    assert client("GET", task["links"]["status"]).json["status"] == "queued"
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    delivery.ack("well done")
    relay.collect(1.0)
    assert state_in_database(database, task) == "succeeded", "late news of the first run changed nothing"
    assert client("GET", task["links"]["result"]).json["result"] == "well done"
    assert client("POST", path).json["code"] == "not_failed"
    assert relay.sweep() == 0


def test_a_task_fails_and_is_retried_again_and_again(client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    task = post(client, task="fail")
    for _ in range(3):
        work(app, count=3)
        relay.collect(1.0)
        assert client("GET", task["links"]["status"]).json["status"] == "failed"
        assert client("POST", task["links"]["self"] + "/retry").status_code == 202
        assert relay.hand_over() == 1
    assert app.queue("default").counts() == {"scheduled": 0, "queued": 1, "running": 0, "failed": 0}


def test_of_two_retries_at_once_one_counts(client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    task = post(client, task="fail")
    work(app, count=3)
    relay.collect(1.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client("POST", task["links"]["self"] + "/retry").status_code, range(8)))
    assert sorted(answers) == [202] + [409] * 7
    assert relay.hand_over() == 1


def test_a_retry_needs_no_redis(
    make_client: Callable[..., Client], dead_url: str, database: Database, relay: Relay
) -> None:
    client = make_client("ann", dead_url)
    task = post(client)
    with database.write():
        database.run("UPDATE task SET state = 'failed' WHERE id = ?", task["id"])
    answer = client("POST", task["links"]["self"] + "/retry")
    assert (answer.status_code, answer.json["status"]) == (202, "accepted")
    assert relay.hand_over() == 1
