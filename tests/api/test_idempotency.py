"""Idempotency-Key: sent twice, carried out once, answered twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redisq_api import clock, idempotency
from redisq_api.database import Database
from redisq_api.idempotency import Answer
from redisq_api.problems import Problem
from redisq_api.users import User

from tests.api.conftest import Client

TASK = "/api/v1/task"


def test_the_same_answer_is_given_again(client: Client) -> None:
    first, second = (client.form("input_param[]=a&input_param[]=b", **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"]
    assert len(client("GET", TASK).json) == 2


def test_another_body_is_refused(client: Client) -> None:
    key = {"Idempotency-Key": "k"}
    assert client.form("input_param=a", **key).status_code == 202
    for answer in (client.form("input_param=b", **key), client.json({"input_param": "a"}, **key)):
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert len(client("GET", TASK).json) == 1


def test_a_key_is_its_users_own(client: Client, make_client: Callable[..., Client], dead_url: str) -> None:
    bob = make_client("bob", dead_url)
    key = {"Idempotency-Key": "k"}
    assert client.form("input_param=a", **key).json["id"] != bob.form("input_param=b", **key).json["id"]


def test_what_was_refused_is_not_kept(client: Client) -> None:
    key = {"Idempotency-Key": "k"}
    assert client.form("input_param=", **key).status_code == 422
    assert client.form("input_param=a", **key).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_keys_that_cannot_be(client: Client, key: str) -> None:
    answer = client.form("input_param=a", **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_idempotency_key")


def test_many_at_once_make_one_task(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.form("input_param=a", **{"Idempotency-Key": "k"}), range(16)))
    # PostgreSQL lets two begin at once, of which one then sees that the key is taken
    assert {202} <= {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert len(client("GET", TASK).json) == 1


def test_after_a_day_a_key_is_free_again(client: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"Idempotency-Key": "k"}
    first = client.form("input_param=a", **key).json
    later = clock.now() + 25 * 3600 * clock.SECOND
    monkeypatch.setattr(clock, "now", lambda: later)
    assert client.form("input_param=b", **key).json["id"] != first["id"]
    assert idempotency.forget_old(database) == 0
    later += 25 * 3600 * clock.SECOND
    assert idempotency.forget_old(database) == 1


def test_a_key_that_another_request_has_just_taken_is_a_409(database: Database, ann: User) -> None:
    with database.write():
        idempotency.keep(database, ann.id, "k", "mark", Answer("{}", "/"))
        with pytest.raises(Problem) as raised:
            idempotency.keep(database, ann.id, "k", "mark", Answer("{}", "/"))
    assert (raised.value.status_code, raised.value.name) == (409, "idempotency_key_in_use")
