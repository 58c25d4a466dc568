"""The relay over a real server: the outbox, the way back of results, and what faults must not do to either."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from redisq_api import clock, limits, migrations, outbox
from redisq_api.database import Database
from redisq_api.handover import Handover
from redisq_api.outbox import Ending
from redisq_api.relay import Relay

import redisq
from tests.api.conftest import Client, queue_app
from tests.api.working import TASK, post, state_in_database, work
from tests.servers import Server
from tests.waiting import wait_until


@pytest.fixture
def client(make_client: Callable[..., Client], redis_url: str) -> Client:
    """Ann's client of a service whose Redis is there."""
    return make_client("ann", redis_url)


def test_two_services_on_one_server_get_their_own_results(
    client: Client, app: redisq.RedisQ, relay: Relay, new_database: Callable[[bool], str]
) -> None:
    task = post(client)
    work(app)
    with closing(Database(new_database(False))) as other:
        migrations.apply(other)
        assert Relay(other, app, 10).collect() == 0
    assert relay.collect(1.0) == 1
    assert client("GET", task["links"]["status"]).json["status"] == "succeeded"


def test_the_outbox_is_emptied_when_redis_comes_back(
    make_client: Callable[..., Client], dead_url: str, client: Client, app: redisq.RedisQ, relay: Relay
) -> None:
    blind = make_client("ann", dead_url)
    tasks = [post(blind, value) for value in ("a", "b")] + post(blind, ["c", "d"])
    assert {task["status"] for task in tasks} == {"accepted"}
    assert client("GET", tasks[0]["links"]["status"]).json["status"] == "accepted"
    assert post(client, "e")["status"] == "accepted", "nobody overtakes what waits in the outbox"
    assert relay.hand_over() == 5
    assert relay.hand_over() == 0
    assert client("GET", tasks[0]["links"]["status"]).json["status"] == "queued"
    assert post(client, "f")["status"] == "queued"
    work(app, count=6)
    assert relay.collect(1.0) == 6
    results = [task["result"] for task in client("GET", TASK).json]
    assert sorted(results) == ["A", "B", "C", "D", "E", "F"]
    assert client("GET", f"{TASK}?status=succeeded&limit=100").json == client("GET", TASK).json


def test_the_queue_is_kept_short(
    make_client: Callable[..., Client], redis_url: str, database: Database, app: redisq.RedisQ
) -> None:
    client = make_client("ann", redis_url, backlog=3)
    relay = Relay(database, app, backlog=3)
    tasks = post(client, [str(n) for n in range(8)])
    assert {task["status"] for task in tasks} == {"accepted"}
    for expected in (3, 3, 2):
        assert relay.hand_over() == expected
        assert relay.hand_over() == 0
        assert app.queue("default").counts()["queued"] == expected
        work(app, count=expected)
        assert relay.hand_over() == 0, "the database does not know yet that they have ended"
        assert relay.collect(1.0) == expected
    assert [client("GET", task["links"]["result"]).json["result"] for task in tasks] == [str(n) for n in range(8)]


def test_one_post_after_another_fills_the_queue_and_then_the_outbox(
    make_client: Callable[..., Client], redis_url: str
) -> None:
    client = make_client("ann", redis_url, backlog=3)
    assert [post(client)["status"] for _ in range(5)] == ["queued"] * 3 + ["accepted"] * 2


def test_a_full_queue_does_not_hold_up_another(
    make_client: Callable[..., Client], redis_url: str, database: Database, app: redisq.RedisQ
) -> None:
    client = make_client("ann", redis_url, backlog=2)
    post(client, ["a", "b", "c"])
    relay = Relay(database, app, backlog=2)
    assert relay.hand_over() == 2
    assert post(client, "d", queue="high")["status"] == "queued"


def test_what_a_killed_process_left_behind_is_handed_over_once(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_queue = post(client, "a")
    monkeypatch.setattr("redisq_api.jobs.Jobs.enqueue", lambda self, tasks: {})
    forgotten = post(client, "b")
    assert relay.hand_over() == 0
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 6 * clock.SECOND)
    assert relay.hand_over() == 2
    assert app.queue("default").counts()["queued"] == 2
    work(app, count=2)
    assert relay.collect(1.0) == 2
    assert [state_in_database(database, task) for task in (in_queue, forgotten)] == ["succeeded", "succeeded"]


def test_a_server_that_lost_everything_is_given_it_again(
    make_client: Callable[..., Client],
    new_server: Callable[..., Server],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = new_server()
    app = queue_app(server.url)
    client = make_client("ann", server.url)
    relay = Relay(database, app, backlog=1000)
    done, *lost = post(client, ["a", "b", "c"])
    work(app)
    assert relay.collect(1.0) == 1
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 6 * clock.SECOND)
    assert relay.hand_over() == 2
    with server.client() as redis:
        redis.flushall()
    assert client("GET", lost[0]["links"]["status"]).json["status"] == "queued"
    assert relay.sweep() == 0, "young tasks may just be on their way"
    monkeypatch.setattr(clock, "now", lambda: now + 61 * clock.SECOND)
    assert relay.sweep() == 2
    assert relay.sweep() == 0
    work(app, count=2)
    assert relay.collect(5.0) == 2
    assert [state_in_database(database, task) for task in (done, *lost)] == ["succeeded"] * 3


def test_an_ending_of_which_nobody_told_is_noted(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = post(client)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 70 * clock.SECOND)
    assert relay.hand_over() == 1
    work(app)
    assert relay.sweep() == 0
    assert state_in_database(database, task) == "succeeded"


def test_a_task_cancelled_while_it_is_handed_over_does_not_run(
    make_client: Callable[..., Client],
    client: Client,
    dead_url: str,
    app: redisq.RedisQ,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blind = make_client("ann", dead_url)
    task = post(blind)
    enqueue = Handover.enqueue

    def cancel_first(handover: Handover, tasks: Any) -> Any:
        assert blind("DELETE", task["links"]["self"]).status_code == 503, "it may be in the queue by now"
        assert client("DELETE", task["links"]["self"]).status_code == 200
        return enqueue(handover, tasks)

    monkeypatch.setattr(Handover, "enqueue", cancel_first)
    assert relay.hand_over() == 1
    assert app.job(f"default.{task['id']}").status == "cancelled"
    assert relay.collect(1.0) == 1


def test_a_task_that_can_never_be_a_job_fails_and_holds_up_nobody(
    make_client: Callable[..., Client], dead_url: str, app: redisq.RedisQ, relay: Relay, database: Database
) -> None:
    blind = make_client("ann", dead_url)
    bad, good = post(blind, ["bad", "good"])
    with database.write():
        database.run("UPDATE task SET task = ? WHERE id = ?", "x" * 10_000, bad["id"])
    relay.hand_over()
    seen = blind("GET", bad["links"]["self"]).json
    assert seen["status"] == "failed"
    assert seen["error"]
    assert app.job(f"default.{good['id']}").status == "queued"


def test_endings_are_told_again_when_the_database_could_not_note_them(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, redis_url: str
) -> None:
    post(client)
    work(app)
    with database.write():
        database.run("ALTER TABLE task RENAME TO away")
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        relay.collect(1.0)
    with database.write():
        database.run("ALTER TABLE away RENAME TO task")
    another = Relay(database, queue_app(redis_url), backlog=1000)
    assert another.collect(5.0) == 1
    assert client("GET", f"{TASK}?status=succeeded").json[0]["result"] == "QWERTY"


def test_a_server_that_is_killed_and_comes_back(
    make_client: Callable[..., Client], new_server: Callable[..., Server], database: Database
) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = queue_app(server.url)
    client = make_client("ann", server.url)
    relay = Relay(database, app.replace(patience=0.2), backlog=1000)
    stop = threading.Event()
    running = threading.Thread(target=relay.run, args=(stop,))
    running.start()
    try:
        first = post(client, "a")
        server.kill()
        assert client("GET", "/readyz").json == {"status": "degraded"}
        second = post(client, "b")
        assert second["status"] == "accepted"
        assert client("GET", first["links"]["status"]).json["status"] == "accepted"
        assert client("DELETE", post(client, "c")["links"]["self"]).status_code == 200
        server.start()
        work(app, count=2)
        for task, expected in ((first, "A"), (second, "B")):
            result = client("GET", task["links"]["result"] + "?wait=20")
            assert (result.status_code, result.json["result"]) == (200, expected)
    finally:
        stop.set()
        running.join(timeout=20)
    assert not running.is_alive()


def test_a_task_that_redis_has_lost_can_be_cancelled(
    client: Client, app: redisq.RedisQ, relay: Relay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = post(client)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 70 * clock.SECOND)
    assert relay.hand_over() == 1
    job = app.job(f"default.{task['id']}")
    job.cancel()
    job.delete()
    assert state_in_database(database, task) == "queued"
    assert client("DELETE", task["links"]["self"]).json["status"] == "cancelled"
    assert relay.sweep() == 0
    assert state_in_database(database, task) == "cancelled"


def test_ended_tasks_are_kept_for_so_many_days_and_others_for_ever(
    make_client: Callable[..., Client],
    dead_url: str,
    database: Database,
    app: redisq.RedisQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = make_client("ann", dead_url)
    old, new, waiting = post(client, ["old", "new", "waiting"])
    now = clock.now()
    for task, days in ((old, 0), (new, 1)):
        finished = now + days * 86400 * clock.SECOND
        outbox.record(database, [Ending(task["id"], "failed", 1, None, finished, None, "x")])
    for later, keep, expected in ((29.9, 30, 0), (400, 0, 0), (30.1, 30, 1), (30.2, 30, 0)):
        monkeypatch.setattr(clock, "now", lambda later=later: now + round(later * 86400) * clock.SECOND)
        assert Relay(database, app, 10, keep_days=keep).clean() == expected
    assert {task["id"] for task in client("GET", TASK).json} == {new["id"], waiting["id"]}


def test_a_relay_cleans_up_in_batches(
    make_client: Callable[..., Client],
    dead_url: str,
    redis_url: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post(make_client("ann", dead_url), [str(n) for n in range(11)])
    with database.write():
        database.run("UPDATE task SET state = 'succeeded', finished_at = 1")
        limits.count(database, "paid", limits.Rate(1, 1))
        database.run("UPDATE meter SET empty_at = 1")
    monkeypatch.setattr("redisq_api.relay._CLEAN_BATCH", 5)
    relay = Relay(database, queue_app(redis_url), 10, keep_days=30)
    batches: list[int] = []
    clean = relay.clean
    monkeypatch.setattr(relay, "clean", lambda: batches.append(clean()) or batches[-1])
    stop = threading.Event()
    running = threading.Thread(target=relay.run, args=(stop,))
    running.start()
    try:
        wait_until(lambda: len(batches) >= 3, timeout=20.0)
        wait_until(lambda: database.one("SELECT count(*) FROM meter") == (0,), timeout=20.0)
    finally:
        stop.set()
        running.join(timeout=20)
    assert batches == [5, 5, 1]
    assert database.one("SELECT count(*) FROM task") == (0,)


def test_a_task_that_is_deleted_while_it_is_handed_over_does_not_run_again(
    make_client: Callable[..., Client],
    dead_url: str,
    redis_url: str,
    app: redisq.RedisQ,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = make_client("ann", redis_url)
    task = post(make_client("ann", dead_url))
    enqueue = Handover.enqueue

    def delete_first(handover: Handover, tasks: Any) -> Any:
        assert client("DELETE", task["links"]["self"]).status_code == 200
        assert client("DELETE", task["links"]["self"] + "/record").status_code == 204
        return enqueue(handover, tasks)

    monkeypatch.setattr(Handover, "enqueue", delete_first)
    assert relay.hand_over() == 1
    assert app.job(f"default.{task['id']}").status == "cancelled"


def test_a_server_that_is_full_leaves_tasks_in_the_outbox(
    make_client: Callable[..., Client], new_server: Callable[..., Server], database: Database
) -> None:
    server = new_server(maxmemory="1", **{"maxmemory-policy": "noeviction"})
    client, app = make_client("ann", server.url), queue_app(server.url)
    relay = Relay(database, app, backlog=1000)
    task = post(client)
    assert task["status"] == "accepted"
    with pytest.raises(redisq.ServerRefused):
        relay.hand_over()
    with server.client() as redis:
        redis.config_set("maxmemory", "0")
    relay = Relay(database, queue_app(server.url), backlog=1000)
    assert relay.hand_over() == 1
    work(app)
    assert relay.collect(5.0) == 1
    assert client("GET", task["links"]["result"]).json["result"] == "QWERTY"
