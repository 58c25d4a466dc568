"""A backlog that is longer than what Redis is given: it flows, it is fair, and losing all of Redis loses none of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from redisq_api import outbox
from redisq_api.database import Database
from redisq_api.handover import Handover
from redisq_api.relay import Relay
from redisq_api.store import Task

import redisq
from tests.api.conftest import Client, queue_app
from tests.api.working import TASK, post, state_in_database, work
from tests.servers import Server
from tests.waiting import wait_until


@contextmanager
def running(run: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """In a thread of its own, which ends after `stop`."""
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


@contextmanager
def relaying(database: Database, url: str, **bounds: int) -> Iterator[None]:
    """A relay that runs by itself, as another process's."""
    stop = threading.Event()
    app = queue_app(url).replace(patience=0.2)

    def run() -> None:
        Relay(database, app, **bounds).run(stop)
        database.close()
        app.close()

    with running(run, stop):
        yield


@contextmanager
def working(url: str, *queues: str) -> Iterator[None]:
    """A worker that takes what comes from queues in this order, through all troubles."""
    stop = threading.Event()
    app = queue_app(url).replace(patience=0.2)

    def run() -> None:
        while not stop.is_set():
            try:
                delivery = next((d for queue in queues if (d := app.queue(queue).claim(timeout=0.0))), None)
                if delivery is None:
                    stop.wait(0.01)
                    continue
                assert delivery.job.args is not None
                delivery.ack(delivery.job.args[0])
            except redisq.RedisQError:
                continue
        app.close()

    with running(run, stop):
        yield


def number(database: Database, state: str) -> int:
    """Tasks in a state, as the database knows it."""
    row = database.one("SELECT count(*) FROM task WHERE state = ?", state)
    assert row is not None
    return int(row[0])


def test_a_flood_of_one_user_holds_up_nobody(
    make_client: Callable[..., Client], redis_url: str, database: Database
) -> None:
    bounds = {"backlog": 60, "backlog_bytes": 5_000}
    ann, bob = (make_client(name, redis_url, **bounds) for name in ("ann", "bob"))
    flood = [task for _ in range(3) for task in post(ann, ["x" * 98] * 400)]
    assert {task["status"] for task in flood} == {"accepted"}
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(relaying(database, redis_url, **bounds))
        stack.enter_context(working(redis_url, "high", "default"))
        single, interactive = post(bob), post(ann, queue="high")
        wait_until(lambda: state_in_database(database, interactive) == "succeeded", timeout=60.0)
        wait_until(lambda: state_in_database(database, single) == "succeeded", timeout=60.0)
        assert number(database, "accepted") > 100, "the flood still waits"
        held = outbox.held(database, "default")
        assert held.queued <= 60
        assert held.queued_size <= 5_000
        wait_until(lambda: number(database, "succeeded") == 1202, timeout=100.0, message="all of them have ended")


def test_losing_all_of_redis_in_the_middle_loses_no_task(
    make_client: Callable[..., Client],
    new_server: Callable[..., Server],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("redisq_api.relay._PROBE_EVERY", 0.3)
    monkeypatch.setattr("redisq_api.posting._DIRECT", 300_000)
    server = new_server()
    client = make_client("ann", server.url)
    with relaying(database, server.url, backlog=50), server.client() as redis:
        for n in range(3):
            post(client, [f"{n}-{k}" for k in range(60)])
            post(client, f"{n}")
            wait_until(lambda: redis.dbsize() > 50, timeout=60.0)
            redis.flushall()
        with working(server.url, "default"):
            wait_until(lambda: number(database, "succeeded") > 60, timeout=60.0)
            redis.flushall()
            wait_until(lambda: number(database, "succeeded") == 183, timeout=60.0, message="all of them have ended")
    results = database.all("SELECT input_param, result FROM task")
    assert all(given == result for given, result in results)


def test_many_relays_hand_a_row_over_once(
    make_client: Callable[..., Client],
    dead_url: str,
    redis_url: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = make_client("ann", dead_url)
    for _ in range(3):
        post(client, ["x"] * 100)
    handed: list[str] = []
    enqueue = Handover.enqueue

    def noting(self: Handover, tasks: Sequence[Task]) -> list[redisq.Job]:
        handed.extend(task.id for task in tasks)
        return enqueue(self, tasks)

    monkeypatch.setattr(Handover, "enqueue", noting)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(relaying(database, redis_url, backlog=1000))
        stack.enter_context(working(redis_url, "default"))
        wait_until(lambda: number(database, "succeeded") == 300, timeout=100.0, message="all of them have ended")
    assert len(handed) == len(set(handed)) == 300


@pytest.mark.parametrize("size", [1, 100_000, 900_000])
def test_results_of_any_size(
    make_client: Callable[..., Client], redis_url: str, app: redisq.RedisQ, relay: Relay, database: Database, size: int
) -> None:
    client = make_client("ann", redis_url)
    task = post(client, "x" * size)
    work(app)
    assert relay.collect(1.0) == 1
    assert state_in_database(database, task) == "succeeded"
    assert client("GET", task["links"]["result"]).json["result"] == "X" * size


def test_an_error_with_a_nul_is_noted(
    make_client: Callable[..., Client], redis_url: str, relay: Relay, database: Database
) -> None:
    client = make_client("ann", redis_url)
    task = post(client, "a\0b", task="fail")
    work(queue_app(redis_url), count=3)
    assert relay.collect(1.0) == 1
    assert state_in_database(database, task) == "failed"
    assert "no a" in client("GET", f"{TASK}?status=failed").json[0]["error"]
