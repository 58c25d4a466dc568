"""Which worker gets a task that names no queue, and when a queue has no room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.problems import Problem
from redisq_api.relay import Relay
from redisq_api.routing import Router

import redisq
from tests.api.conftest import Client
from tests.api.working import post


@pytest.fixture
def client(make_client: Callable[..., Client], dead_url: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    return make_client("ann", dead_url)


class FakeJobs:
    """What Redis would say of the length of queues."""

    def __init__(self, **waiting: int) -> None:
        self.lengths = waiting
        self.asked = 0

    def waiting(self, queue: str) -> int:
        self.asked += 1
        return self.lengths.get(queue, 0)


def router(database: Database, longest: int = 0, clock: Callable[[], float] | None = None, **waiting: int) -> Router:
    jobs: Any = FakeJobs(**waiting)
    return Router(database, jobs, longest, **({"clock": clock} if clock else {}))


def spread(chooser: Router, rule: str | None, workers: dict[str, int], count: int = 1000) -> Counter[str]:
    return Counter(chooser.choose(workers, rule, None, 1) for _ in range(count))


def test_random(database: Database) -> None:
    seen = spread(router(database), None, {"a": 1, "b": 100})
    assert 400 < seen["a"] < 600


def test_weighted(database: Database) -> None:
    seen = spread(router(database), "weighted", {"a": 1, "b": 3})
    assert 150 < seen["a"] < 350


def test_least_loaded(database: Database) -> None:
    chooser = router(database, a=10, b=4)
    assert [chooser.choose({"a": 1, "b": 1}, "least-loaded", None, 3) for _ in range(2)] == ["b", "b"]
    assert spread(chooser, "least-loaded", {"a": 1, "b": 1}, 100) == {"a": 50, "b": 50}


def test_least_loaded_takes_a_heavy_worker_for_a_fast_one(database: Database) -> None:
    assert router(database, a=10, b=4).choose({"a": 3, "b": 1}, "least-loaded", None, 1) == "a"


def test_a_wanted_queue_is_the_one_whatever_the_rule(database: Database) -> None:
    for rule in ("random", "weighted", "least-loaded"):
        assert router(database, a=10).choose({"a": 1, "b": 1}, rule, "a", 1) == "a"


def test_lengths_are_known_for_a_second(database: Database) -> None:
    now = 0.0
    jobs = FakeJobs(a=1)
    chooser = Router(database, jobs, 100, clock=lambda: now)  # type: ignore[arg-type]
    for _ in range(10):
        chooser.choose({"a": 1}, None, None, 1)
    assert jobs.asked == 1
    now = 1.1
    chooser.choose({"a": 1}, None, None, 1)
    assert jobs.asked == 2


def test_a_long_count_is_made_seldom(database: Database) -> None:
    now = 0.0
    jobs = FakeJobs(a=1)

    def passing() -> float:
        nonlocal now
        now += 0.5  # each look at the clock: counting takes half a second
        return now

    chooser = Router(database, jobs, 100, clock=passing)  # type: ignore[arg-type]
    chooser.choose({"a": 1}, None, None, 1)
    now = 9.0
    chooser.choose({"a": 1}, None, None, 1)
    assert jobs.asked == 1
    now = 12.0
    chooser.choose({"a": 1}, None, None, 1)
    assert jobs.asked == 2


def test_nobody_who_has_one_worker_and_no_limit_has_anything_counted(database: Database) -> None:
    jobs = FakeJobs()
    chooser = Router(database, jobs, 0)  # type: ignore[arg-type]
    for rule in (None, "random", "weighted"):
        chooser.choose({"a": 1, "b": 1}, rule, None, 1)
    assert jobs.asked == 0


def test_a_full_queue_is_a_503_and_a_rule_goes_round_it(database: Database) -> None:
    chooser = router(database, longest=10, a=8)
    with pytest.raises(Problem) as told:
        chooser.choose({"a": 1}, None, "a", 3)
    assert (told.value.status_code, told.value.name) == (503, "queue_full")
    assert int((told.value.headers or {})["Retry-After"]) > 0
    assert spread(chooser, "random", {"a": 1, "b": 1}, 12) == {"a": 2, "b": 10}
    with pytest.raises(Problem, match="503"):
        chooser.choose({"a": 1, "b": 1}, "random", None, 1)


def test_what_waits_in_the_database_counts(client: Client, database: Database) -> None:
    post(client, ["x"] * 7)
    post(client, ["x"] * 5, delay=3600)
    chooser = router(database, longest=10, default=2)
    assert chooser.choose({"default": 1}, None, None, 1) == "default"
    with pytest.raises(Problem, match="503"):
        chooser.choose({"default": 1}, None, None, 1)


def test_the_rule_of_a_user_holds(client: Client, acts: Acts) -> None:
    acts.grant("ann", ["high:999999", "default"])
    acts.set_rule("ann", "weighted")
    assert {client.json({"input_param": "x"}).json["queue"] for _ in range(10)} == {"high"}
    acts.set_rule("ann", "least-loaded")
    acts.grant("ann", ["high", "default"])
    post(client, ["x"] * 20, queue="high")
    assert {client.json({"input_param": "x"}).json["queue"] for _ in range(10)} == {"default"}


def test_a_plan_gives_a_rule_and_workers_beside_his_own(client: Client, acts: Acts) -> None:
    acts.put_plan("paid", ["fast:999999", "high:5"], "weighted", {})
    acts.set_plan("ann", "paid")
    assert {client.json({"input_param": "x"}).json["queue"] for _ in range(10)} == {"fast"}
    assert client.json({"input_param": "x", "queue": "default"}).status_code == 202
    acts.put_plan("paid", ["other"], None, {})
    assert client.json({"input_param": "x", "queue": "fast"}).status_code == 403
    assert client.json({"input_param": "x", "queue": "other"}).status_code == 202
    acts.set_plan("ann", None)
    assert client.json({"input_param": "x", "queue": "other"}).status_code == 403


def test_a_long_backlog_over_a_real_server(
    make_client: Callable[..., Client],
    redis_url: str,
    app: redisq.RedisQ,
    database: Database,
) -> None:
    client = make_client("ann", redis_url, longest=6, backlog=3)
    relay = Relay(database, app, backlog=3)
    post(client, ["a"] * 5)
    relay.hand_over()
    assert app.queue("default").counts()["queued"] == 3
    fresh = make_client("ann", redis_url, longest=6, backlog=3)
    post(fresh, "b")
    answer = fresh.json({"input_param": "c", "queue": "default"})
    assert (answer.status_code, answer.json["code"]) == (503, "queue_full")
    assert fresh.json({"input_param": "c"}).json["queue"] == "high"
