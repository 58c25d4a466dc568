"""Quotas: what a user may ask for, counted by all processes together, and what the answers say of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import falcon.testing
import pytest
from redisq_api import clock, outbox
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.outbox import Ending

from tests.api.conftest import PASSWORDS, Client, basic

TASK = "/api/v1/task"


def said(answer: falcon.testing.Result) -> tuple[int, str]:
    assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code, answer.json["code"]


def end(database: Database, task: Any, state: str = "succeeded") -> None:
    now = clock.now()
    assert outbox.record(database, [Ending(task["id"], state, 1, now, now, "1", None)]) == 1


FULL = (429, "too_many_unfinished")


def test_unfinished_tasks_are_counted_and_ended_ones_are_not(
    make: Callable[..., Client], acts: Acts, database: Database
) -> None:
    ann, again, bob = make("ann"), make("ann"), make("bob")
    acts.set_quota("ann", {"unfinished": 3})
    first, second, third = ann.json({"input_param": ["a", "b", "c"]}).json
    assert said(ann.json({"input_param": "d"})) == FULL
    assert said(again.json({"input_param": ["d"]})) == FULL
    assert bob.json({"input_param": "d"}).status_code == 202
    end(database, first)
    end(database, second, "failed")
    assert said(ann.json({"input_param": ["d", "e", "f"]})) == FULL
    assert ann.json({"input_param": ["d"]}).status_code == 202
    assert ann("DELETE", third["links"]["self"]).status_code == 200
    assert ann.json({"input_param": ["e", "f"]}).status_code == 202
    assert said(ann.json({"input_param": "g"})) == FULL
    assert len(ann("GET", TASK).json) == 6


def test_tasks_that_are_in_the_queue_or_are_to_come_count(
    make: Callable[..., Client], acts: Acts, database: Database
) -> None:
    ann = make("ann")
    acts.set_quota("ann", {"unfinished": 3})
    ann.json({"input_param": ["a", "b"]})
    ann.json({"input_param": "c", "delay": 3600})
    with database.write():
        database.run("UPDATE task SET state = 'queued' WHERE input_param = ?", '"a"')
    assert said(ann.json({"input_param": "d"})) == FULL


def test_more_than_the_quota_at_once_creates_none(make: Callable[..., Client], acts: Acts) -> None:
    ann = make("ann")
    acts.set_quota("ann", {"unfinished": 3})
    assert said(ann.json({"input_param": ["a"] * 4})) == FULL
    assert ann("GET", TASK).json == []


def test_a_request_that_is_sent_again_is_answered_although_there_is_no_room(
    make: Callable[..., Client], acts: Acts
) -> None:
    ann = make("ann")
    acts.set_quota("ann", {"unfinished": 1})
    first = ann.json({"input_param": "a"}, **{"Idempotency-Key": "k"})
    assert ann.json({"input_param": "a"}, **{"Idempotency-Key": "k"}).json == first.json
    assert said(ann.json({"input_param": "a"}, **{"Idempotency-Key": "other"})) == FULL
    acts.revoke("ann", ["default", "high"])
    assert ann.json({"input_param": "a"}, **{"Idempotency-Key": "k"}).json == first.json
    assert ann.json({"input_param": "a"}, **{"Idempotency-Key": "new"}).status_code == 403


def test_two_at_once_do_not_both_get_the_last_room(make: Callable[..., Client], acts: Acts, database: Database) -> None:
    clients = [make("ann") for _ in range(6)]
    acts.set_quota("ann", {"unfinished": 12})
    start = threading.Barrier(len(clients))

    def post(client: Client) -> list[int]:
        start.wait()
        try:
            return [client.json({"input_param": ["x"] * 5}).status_code for _ in range(3)]
        finally:
            database.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        codes = [code for found in pool.map(post, clients) for code in found]
    assert sorted(codes) == [202] * 2 + [429] * 16
    assert database.one("SELECT count(*) FROM task") == (10,)


def test_quotas_are_his_own_or_of_the_plan_or_of_the_service(make: Callable[..., Client], acts: Acts) -> None:
    ann = make("ann", unfinished=1)
    assert ann.json({"input_param": ["a", "b"]}).status_code == 429
    acts.put_plan("paid", None, None, {"unfinished": 2})
    acts.set_plan("ann", "paid")
    assert ann.json({"input_param": ["a", "b", "c"]}).status_code == 429
    assert ann.json({"input_param": ["a", "b"]}).status_code == 202
    acts.put_plan("paid", None, None, {"unfinished": 3})
    assert ann.json({"input_param": "c"}).status_code == 202
    acts.set_quota("ann", {"unfinished": 4})
    assert ann.json({"input_param": "d"}).status_code == 202
    assert ann.json({"input_param": "e"}).status_code == 429
    acts.set_quota("ann", {"unfinished": 0})
    assert ann.json({"input_param": ["e"] * 10}).status_code == 202
    acts.set_quota("ann", {"unfinished": None})
    acts.set_plan("ann", None)
    assert ann.json({"input_param": "f"}).status_code == 429


def fields(answer: falcon.testing.Result) -> tuple[str | None, str | None]:
    return answer.headers.get("RateLimit-Policy"), answer.headers.get("RateLimit")


def test_requests_are_counted_for_all_processes_and_all_credentials(make: Callable[..., Client], acts: Acts) -> None:
    one, other, nobody = make("ann"), make("ann"), make(None)
    assert fields(one("GET", TASK)) == (None, None)
    acts.set_quota("ann", {"requests": 4, "seconds": 40_000})
    policy = '"requests";q=4;w=40000'
    assert fields(one("GET", TASK)) == (policy, '"requests";r=3;t=10000')
    assert fields(other.json({"input_param": "x"})) == (policy, '"requests";r=2;t=20000')
    header = {"Authorization": basic("ann", PASSWORDS["ann"])}
    assert fields(nobody("GET", f"{TASK}/x", headers=header)) == (policy, '"requests";r=1;t=30000')
    assert fields(one("PUT", TASK)) == (policy, '"requests";r=0;t=40000')
    for client in (one, other, one):
        answer = client("GET", TASK)
        assert said(answer) == (429, "too_many_requests")
        assert 9_990 < int(answer.headers["Retry-After"]) <= 10_000
        assert fields(answer) == (policy, f'"requests";r=0;t={answer.headers["Retry-After"]}')
    assert one.json({"input_param": "x"}).status_code == 429
    assert len(make("bob")("GET", TASK).json) == 0


def test_who_is_not_let_in_is_not_counted(make: Callable[..., Client], acts: Acts) -> None:
    acts.set_quota("ann", {"requests": 1, "seconds": 40_000})
    nobody = make(None)
    for header in (basic("ann", "wrong"), "Bearer ann", ""):
        answer = nobody("GET", TASK, headers={"Authorization": header})
        assert (answer.status_code, fields(answer)) == (401, (None, None))
    ann = make("ann")
    assert ann("OPTIONS", TASK).status_code == 200
    assert ann("GET", "/healthz").status_code == 200
    assert ann("GET", TASK).status_code == 200
    assert ann("GET", TASK).status_code == 429


def test_another_quota_holds_from_the_next_request_on(make: Callable[..., Client], acts: Acts) -> None:
    ann = make("ann", requests=(1, 40_000))
    assert [ann("GET", TASK).status_code for _ in range(3)] == [200, 429, 429]
    acts.set_quota("ann", {"requests": 100, "seconds": 40_000})
    assert ann("GET", TASK).status_code == 200
    acts.set_quota("ann", {"requests": 0, "seconds": 0})
    assert fields(ann("GET", TASK)) == (None, None)
    acts.set_quota("ann", {"requests": None, "seconds": None})
    assert ann("GET", TASK).status_code == 429


def test_time_makes_room_again(make: Callable[..., Client], acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = make("ann", requests=(2, 1))
    moment, elapsed = clock.now(), 0.0
    monkeypatch.setattr(clock, "now", lambda: moment + round(elapsed * clock.SECOND))
    monkeypatch.setattr("redisq_api.quotas.time.monotonic", lambda: 1000.0 + elapsed)
    assert [ann("GET", TASK).status_code for _ in range(4)] == [200, 200, 429, 429]
    elapsed = 0.4
    assert ann("GET", TASK).status_code == 429
    elapsed = 0.6
    assert [ann("GET", TASK).status_code for _ in range(2)] == [200, 429]


def test_who_goes_on_after_a_429_does_not_keep_the_database_busy(
    make: Callable[..., Client], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make("ann", requests=(1, 40_000))
    assert [ann("GET", TASK).status_code for _ in range(2)] == [200, 429]
    monkeypatch.setattr("redisq_api.limits.take", lambda *_: pytest.fail("asked again"))
    assert ann("GET", TASK).status_code == 429


def test_somebody_without_a_quota_costs_no_statement(
    make: Callable[..., Client], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make("ann")
    ann("GET", TASK)  # notes when the token was used
    statements: list[str] = []
    execute = Database._execute

    def spy(self: Database, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(self, sql, *rest)

    monkeypatch.setattr(Database, "_execute", spy)
    assert ann("GET", TASK).status_code == 200
    assert len(statements) == 2
    assert ann.json({"input_param": "x"}).status_code == 202
    assert not [sql for sql in statements if "count(" in sql or "meter" in sql]


def test_a_browser_may_read_what_is_left(make: Callable[..., Client]) -> None:
    ann = make("ann", requests=(5, 10), cors_origins=("https://shop.example",))
    answer = ann("GET", TASK, headers={"Origin": "https://shop.example"})
    assert {"RateLimit", "RateLimit-Policy"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
