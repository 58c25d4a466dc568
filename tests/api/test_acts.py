"""What an administrator does holds from the next request on, and is in the log, or neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redisq_api import audit, grants, users
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.grants import BadUser, Quota

from tests.api.conftest import PASSWORDS, Client, basic, find

TASK = "/api/v1/task"


def log(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    entries = audit.entries(database, 100)
    assert {entry.actor for entry in entries} <= {"cli:operator"}
    return [(entry.act, entry.subject, entry.detail) for entry in reversed(entries)]


def test_a_disabled_user_is_stopped_at_once_and_comes_back(
    make: Callable[..., Client], acts: Acts, database: Database
) -> None:
    by_token, nobody = make("ann"), make(None)
    header = {"Authorization": basic("ann", PASSWORDS["ann"])}
    assert nobody("GET", TASK, headers=header).status_code == 200
    assert by_token("GET", TASK).status_code == 200
    acts.disable("ann")
    refused = nobody("GET", TASK, headers=header), by_token("GET", TASK)
    unknown = nobody("GET", TASK, headers={"Authorization": basic("nobody", "x")})
    assert [answer.status_code for answer in refused] == [401, 401]
    assert [answer.content for answer in refused] == [unknown.content] * 2
    assert make("bob")("GET", TASK).status_code == 200
    acts.enable("ann")
    assert nobody("GET", TASK, headers=header).status_code == 200
    assert by_token("GET", TASK).status_code == 200
    assert log(database) == [("user.disable", "ann", {}), ("user.enable", "ann", {})]


def test_another_password_ends_the_old_one_in_every_process(
    make: Callable[..., Client], acts: Acts, database: Database
) -> None:
    processes = [make(None), make(None)]
    old, new = ({"Authorization": basic("ann", word)} for word in (PASSWORDS["ann"], "another one"))
    assert [client("GET", TASK, headers=old).status_code for client in processes] == [200, 200]
    acts.set_password("ann", "another one")
    assert [client("GET", TASK, headers=old).status_code for client in processes] == [401, 401]
    assert [client("GET", TASK, headers=new).status_code for client in processes] == [200, 200]
    assert log(database) == [("user.password", "ann", {})]
    assert "another" not in str(database.all("SELECT * FROM audit"))


def test_grants_come_and_go(make: Callable[..., Client], acts: Acts, database: Database) -> None:
    ann = make("ann")
    assert ann.json({"input_param": "x", "queue": "low"}).status_code == 403
    acts.grant("ann", ["low:3", "high"])
    assert ann.json({"input_param": "x", "queue": "low"}).json["queue"] == "low"
    assert grants.granted(database, find(database, "ann").id, None) == {"default": 1, "high": 1, "low": 3}
    acts.revoke("ann", ["low", "default", "high"])
    answer = ann.json({"input_param": "x"})
    assert (answer.status_code, answer.json["code"]) == (403, "no_worker")
    assert log(database) == [
        ("user.grant", "ann", {"workers": {"low": 3, "high": 1}}),
        ("user.revoke", "ann", {"queues": ["low", "default", "high"]}),
    ]


def test_plans_are_shared(acts: Acts, database: Database) -> None:
    acts.put_plan("paid", ["high:6", "low"], "weighted", {"unfinished": 100, "requests": 600, "seconds": 60})
    acts.put_plan("paid", None, None, {"unfinished": None})
    acts.add("eve", "x", [], False, "paid")
    eve = acts.user("eve")
    assert (eve.plan, eve.rule, eve.quota) == ("paid", "weighted", Quota(None, 600, 60))
    assert users.queues(database, eve) == ["high", "low"]
    acts.set_rule("eve", "random")
    acts.set_quota("eve", {"requests": 5, "seconds": 1})
    acts.grant("eve", ["high:2"])
    eve = acts.user("eve")
    assert (eve.rule, eve.quota) == ("random", Quota(None, 5, 1))
    assert grants.granted(database, eve.id, eve.plan) == {"high": 2, "low": 1}
    acts.put_plan("paid", ["new"], "default", {"unfinished": 0})
    acts.set_rule("eve", None)
    eve = acts.user("eve")
    assert (eve.rule, eve.quota.unfinished) == (None, 0)
    assert users.queues(database, eve) == ["high", "new"]
    with pytest.raises(BadUser, match="there are users with the plan paid"):
        acts.remove_plan("paid")
    acts.set_plan("eve", None)
    acts.remove_plan("paid")
    assert grants.plans(database) == []


BAD: list[Callable[[Acts], object]] = [
    lambda acts: acts.user("nobody"),
    lambda acts: acts.add("ann", "x", ["default"], False, None),
    lambda acts: acts.add("eve", "x", [], False, None),
    lambda acts: acts.add("eve", "x", ["a"], False, "nothing"),
    lambda acts: acts.add("eve", "x", ["a:0"], False, None),
    lambda acts: acts.add("eve", "", ["a"], False, None),
    lambda acts: acts.disable("nobody"),
    lambda acts: acts.enable("' OR 1=1 --"),
    lambda acts: acts.set_password("ann", ""),
    lambda acts: acts.set_password("ann", "x" * 1025),
    lambda acts: acts.set_password("nobody", "x"),
    lambda acts: acts.grant("ann", []),
    lambda acts: acts.grant("ann", ["a:x"]),
    lambda acts: acts.grant("ann", ["a:-1"]),
    lambda acts: acts.grant("ann", ["a:1:1"]),
    lambda acts: acts.grant("ann", ["a:9999999"]),
    lambda acts: acts.grant("nobody", ["a"]),
    lambda acts: acts.revoke("ann", []),
    lambda acts: acts.revoke("ann", ["high", "low"]),
    lambda acts: acts.set_rule("nobody", "random"),
    lambda acts: acts.set_quota("nobody", {"unfinished": 1}),
    lambda acts: acts.set_plan("ann", "nothing"),
    lambda acts: acts.put_plan("a b", ["a"], None, {}),
    lambda acts: acts.put_plan("none", ["a"], None, {}),
    lambda acts: acts.put_plan("a", ["a:b"], None, {}),
    lambda acts: acts.remove_plan("nothing"),
    lambda acts: acts.create_token("nobody", None, ["read"], None),
    lambda acts: acts.revoke_token("nobody", None),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_cannot_be_changes_nothing_and_is_not_logged(acts: Acts, database: Database, number: int) -> None:
    tables = ("account", "worker", "plan", "plan_worker", "token")
    before = [database.all(f"SELECT * FROM {table}") for table in tables]
    with pytest.raises(BadUser) as told:
        BAD[number](acts)
    assert "\n" not in str(told.value)
    assert [database.all(f"SELECT * FROM {table}") for table in tables] == before
    assert log(database) == []


def test_an_act_that_cannot_be_logged_does_not_happen(
    acts: Acts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **detail: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("redisq_api.acts.audit.note", broken)
    with pytest.raises(RuntimeError):
        acts.disable("ann")
    assert not find(database, "ann").disabled


def test_the_log_is_newest_first_and_of_one_if_asked(acts: Acts, database: Database) -> None:
    for name in ("ann", "bob", "ann"):
        acts.disable(name)
    assert [entry.subject for entry in audit.entries(database, 2)] == ["ann", "bob"]
    assert [entry.subject for entry in audit.entries(database, 10, "ann")] == ["ann", "ann"]
    newest, oldest = audit.entries(database, 10, "ann")
    assert newest.at >= oldest.at
    assert newest.id > oldest.id
