"""The relay's queries: an ending is noted once, and what has ended stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redisq_api import clock, outbox, store
from redisq_api.database import Database
from redisq_api.outbox import Ending
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


def test_what_is_due_comes_in_order_and_by_queue(database: Database, tasks: list[Task]) -> None:
    assert outbox.queues(database) == ["high", "low"]
    assert [task.id for task in outbox.due(database, "low", 10)] == [tasks[2].id, tasks[0].id]
    assert [task.id for task in outbox.due(database, "low", 1)] == [tasks[2].id]
    assert outbox.has_backlog(database, "high")
    assert not outbox.has_backlog(database, "default")


def test_what_was_handed_over_is_due_no_more(database: Database, tasks: list[Task], ann: User) -> None:
    store.cancel(database, ann.id, tasks[0].id, clock.now())
    later = replace(tasks[2], due_at=clock.now() + 60 * clock.SECOND)
    assert outbox.mark_handed_over(database, [tasks[0], tasks[1], later]) == [tasks[0]]
    assert outbox.queues(database) == ["low"]
    assert outbox.due(database, "low", 10) == []
    seen = outbox.handed_over(database, "", clock.now() + 1, 10)
    assert [(task.id, task.state) for task in seen] == [(tasks[1].id, "queued"), (tasks[2].id, "scheduled")]
    assert outbox.handed_over(database, tasks[1].id, clock.now() + 1, 10) == seen[1:]
    assert outbox.handed_over(database, "", tasks[0].created_at, 10) == []


def test_a_task_can_be_left_to_the_relay_early(database: Database, tasks: list[Task]) -> None:
    outbox.release(database, [tasks[3]])
    assert [task.id for task in outbox.due(database, "low", 10)][-1] == tasks[3].id


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (outbox._NEXT_QUEUE, "task_outbox"),
        (outbox._DUE, "task_outbox"),
        (outbox._IS_WAITING, "task_outbox"),
        (outbox._HANDED_OVER, "task_handed_over"),
    ],
)
def test_a_backlog_of_millions_is_never_scanned(database: Database, query: str, index: str) -> None:
    values = ["x"] * query.count("?")
    plan = [row[3] for row in database.all(f"EXPLAIN QUERY PLAN {query}", *values)]
    assert all(step.startswith("SEARCH") and index in step for step in plan), plan
