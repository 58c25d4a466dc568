"""redisq errors."""

from __future__ import annotations

import pytest

import redisq
from tests.commands.conftest import Call


@pytest.fixture
def failures(app: redisq.RedisQ) -> None:
    """Three dead letters of two causes in one queue, one in another."""
    for name, task, error in (
        ("q", "t", OSError("no route to 10.0.0.7")),
        ("q", "t", OSError("no route to 10.0.0.8")),
        ("q", "u", KeyError("card")),
        ("p", "t", OSError("no route to 10.0.0.7")),
    ):
        queue = app.queue(name)
        queue.enqueue(task)
        delivery = queue.claim()
        assert delivery is not None
        delivery.nack(redisq.GiveUp(f"{type(error).__name__}: {error}"))


@pytest.mark.usefixtures("failures")
def test_errors_are_grouped(call: Call) -> None:
    records = call("errors", "--json").records
    assert [(record["queue"], record["count"], record["task"]) for record in records] == [
        ("p", 1, "t"),
        ("q", 2, "t"),
        ("q", 1, "u"),
    ]
    assert all(record["last"].endswith("Z") for record in records)
    assert len(call("errors").out.splitlines()) == 4
    (row,) = [line for line in call("errors", "q").out.splitlines() if line.split()[1] == "2"]
    assert "no route to #" in row


def test_no_errors(call: Call, app: redisq.RedisQ) -> None:
    app.queue("q").put(1)
    assert call("errors").out == "no dead letters\n"
    assert call("errors", "--json").out == ""


@pytest.mark.usefixtures("failures")
def test_of_many_the_newest_are_looked_at(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisq.commands.errors.MOST", 2)
    done = call("errors", "q", "--json")
    assert sum(record["count"] for record in done.records) == 2
    assert done.err == "redisq: q: only the newest 2 of 3 dead letters were looked through\n"
