"""The relay's queries: an ending is noted once, and what has ended stays as it is."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from redisq_api import clock, outbox, store
from redisq_api.database import Database
from redisq_api.outbox import Bound, Ending, Held
from redisq_api.store import Task
from redisq_api.users import User

ENDING = Ending("", "succeeded", 1, 1, 2, '"first"', None)


@pytest.fixture
def tasks(database: Database, ann: User) -> list[Task]:
    """Accepted tasks of two queues, the last of which is the relay's only later."""
    now = clock.now()
    made = [
        Task(f"{n:030x}", ann.id, "shout", '"x"', queue, "accepted", 1, now, now, relay_at)
        for n, (queue, relay_at) in enumerate([("low", now - 2), ("high", now - 2), ("low", now - 3), ("low", now * 2)])
    ]
    with database.write():
        store.add(database, made)
    return made


def test_an_ending_is_noted_once(database: Database, tasks: list[Task], ann: User) -> None:
    first = replace(ENDING, task_id=tasks[0].id)
    assert outbox.record(database, [first]) == 1
    assert outbox.record(database, [replace(first, state="failed", result=None, error="second"), first]) == 0
    kept = store.get(database, ann.id, tasks[0].id)
    assert kept is not None
    assert (kept.state, kept.result, kept.error) == ("succeeded", '"first"', None)


def test_endings_of_tasks_that_are_not_ours_are_ignored(database: Database, tasks: list[Task]) -> None:
    assert outbox.record(database, [replace(ENDING, task_id="nobody's")]) == 0


MANY = Bound(1000, 1 << 40)


def add(database: Database, user: User, count: int, queue: str = "low", size: int = 10, age: int = 1) -> list[str]:
    """Ids of new tasks in the outbox, each of so many bytes."""
    now = clock.now()
    ids = [f"{now + n:014x}{user.id:016x}" for n in range(count)]
    with database.write():
        store.add(
            database,
            [Task(i, user.id, "shout", '"x"', queue, "accepted", 1, now, now, now - age, size=size) for i in ids],
        )
    return ids


class Undo(Exception):
    """Ends a transaction of which nothing is to stay."""


def take(database: Database, limit: int, bound: Bound = MANY, after: int = 0) -> list[str]:
    """Ids of what is taken from the queue `low`."""
    return [task.id for task in outbox.take(database, "low", bound, limit, after)]


def test_what_is_due_comes_in_order_and_by_queue(database: Database, tasks: list[Task], ann: User, bob: User) -> None:
    assert outbox.queues(database) == ["high", "low"]
    assert outbox.has_backlog(database, "high", ann.id)
    assert not outbox.has_backlog(database, "high", bob.id)
    assert not outbox.has_backlog(database, "default", ann.id)
    assert take(database, 10) == [tasks[2].id, tasks[0].id]


def test_what_was_taken_is_nobody_elses(
    database: Database, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take(database, 1) == [tasks[2].id]
    assert take(database, 10) == [tasks[0].id]
    assert take(database, 10) == []
    assert outbox.take_over(database, 10) == []
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 16 * clock.SECOND)
    assert [task.id for task in outbox.take_over(database, 10)] == [tasks[0].id, tasks[2].id]
    assert outbox.take_over(database, 10) == []


def test_many_take_at_once_and_none_gets_what_another_has(database: Database, ann: User) -> None:
    ids = add(database, ann, 300)
    taken: list[list[str]] = []

    def run() -> None:
        for _ in range(30):
            taken.append(take(database, 10))
        database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [one for some in taken for one in some]
    assert len(got) == len(set(got)), "each is taken once"
    assert set(got) <= set(ids)
    assert len(got) >= 10


def test_each_user_has_a_share(database: Database, ann: User, bob: User) -> None:
    many, few = add(database, ann, 50), add(database, bob, 3)
    assert take(database, 10) == [*many[:5], *few]
    assert take(database, 10) == many[5:15], "nobody else wants anything"


def test_more_users_than_room_take_turns(database: Database, ann: User, bob: User) -> None:
    anns, bobs = add(database, ann, 5), add(database, bob, 5)
    assert take(database, 1) == anns[:1]
    assert take(database, 1, after=ann.id) == bobs[:1]
    assert take(database, 1, after=bob.id) == anns[1:2]


def test_a_queue_is_given_so_many_jobs_and_bytes(database: Database, ann: User) -> None:
    ids = add(database, ann, 10, size=100)
    assert take(database, 10, Bound(3, 1000)) == ids[:3]
    assert take(database, 10, Bound(3, 1000)) == []
    assert take(database, 10, Bound(10, 650)) == ids[3:5]
    assert outbox.held(database, "low") == Held(5, 500, 0, 0)
    on_their_way = [task for i in ids[:5] if (task := store.get(database, ann.id, i))]
    outbox.mark_handed_over(database, on_their_way)
    assert take(database, 10, Bound(10, 500)) == []
    outbox.record(database, [replace(ENDING, task_id=i) for i in ids[:5]])
    assert take(database, 10, Bound(10, 50)) == ids[5:6], "what is larger than the bound goes alone"
    assert take(database, 10, Bound(10, 50)) == []


def test_what_the_queue_has_lost_is_taken_back_unless_it_has_ended(database: Database, ann: User) -> None:
    ids = add(database, ann, 2)
    rows = outbox.take(database, "low", MANY, 10)
    outbox.mark_handed_over(database, rows)
    outbox.record(database, [replace(ENDING, task_id=ids[0])])
    assert [task.id for task in outbox.take_back(database, rows)] == ids[1:]
    assert outbox.take_back(database, rows) == []


def test_what_was_handed_over_is_due_no_more(database: Database, tasks: list[Task], ann: User) -> None:
    store.cancel(database, ann.id, tasks[0].id, clock.now())
    with database.write():
        database.run("UPDATE task SET due_at = ? WHERE id = ?", clock.now() + 60 * clock.SECOND, tasks[2].id)
    assert outbox.mark_handed_over(database, tasks[:3]) == [tasks[0]]
    assert outbox.queues(database) == ["low"]
    assert take(database, 10) == []
    seen = outbox.handed_over(database, "", clock.now() + 1, 10)
    assert [(task.id, task.state) for task in seen] == [(tasks[1].id, "queued"), (tasks[2].id, "scheduled")]
    assert outbox.handed_over(database, tasks[1].id, clock.now() + 1, 10) == seen[1:]
    assert outbox.handed_over(database, "", tasks[0].created_at, 10) == []


def test_a_task_can_be_left_to_the_relay_early(database: Database, tasks: list[Task], ann: User) -> None:
    direct = Task(f"{9:030x}", ann.id, "shout", '"x"', "low", "accepted", 1, 1, 1, clock.now() * 2, on_its_way=1)
    with database.write():
        store.add(database, [direct])
    assert direct.id not in take(database, 10)
    outbox.release(database, [direct])
    assert take(database, 10) == [direct.id]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (outbox._NEXT_QUEUE, "task_waiting"),
        (outbox._DUE, "task_waiting"),
        (outbox._IS_WAITING, "task_waiting"),
        (outbox._EXPIRED, "task_on_its_way"),
        (outbox._HELD, "task_held"),
        (outbox._HELD_COMING, "task_on_its_way"),
        (outbox._HANDED_OVER, "task_handed_over"),
    ],
)
def test_a_backlog_of_millions_is_never_scanned(database: Database, query: str, index: str) -> None:
    values = ["1"] * query.count("?")
    if database.is_sqlite:
        text = query.replace("{skip_locked}", "")
        plan = [row[3] for row in database.all(f"EXPLAIN QUERY PLAN {text}", *values)]
        assert all(step.startswith("SEARCH") and index in step for step in plan), plan
        return
    with suppress(Undo), database.write():
        database.run("SET LOCAL enable_seqscan = off")  # which an empty table would be read with
        for other in {"task_unfinished", "task_handed_over"} - {index}:  # and these cost the same there
            database.run(f"DROP INDEX {other}")
        text = query.replace("?", "'1'").replace("{skip_locked}", "")
        plan = [row[0] for row in database.all(f"EXPLAIN {text}")]
        raise Undo
    scans = [step for step in plan if "Scan" in step]
    assert scans, plan
    assert all(index in step for step in scans), plan
