"""The first page of administrators: what it tells of queues and servers, and that it stands when one is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redisq_api import clock
from redisq_api.database import Database

import redisq
from tests.api.conftest import Client
from tests.api.console.admin.conftest import Person
from tests.api.test_home import Page


def shown(person: Person, path: str = "/admin") -> str:
    answer = person.get(path)
    assert answer.status_code == 200
    return " ".join(Page(answer.text).text.split())


def test_it_tells_of_every_queue(person: Callable[..., Person], app: redisq.RedisQ) -> None:
    low = app.queue("low")
    for n in range(1200):
        low.put(n)
    low.options(delay=100.0).put("later")
    low.pause()
    text = shown(person("viewer"))
    assert "low paused 1,200 0 1 0" in text
    assert "default 0 0 0 0" in text  # nobody has enqueued anything, but it was granted
    assert "workers" in text.lower()
    assert "noeviction" in text
    assert "tasks wait in the database" in text


def test_what_waits_in_the_outbox(person: Callable[..., Person], database: Database, client: Client) -> None:
    client.json({"input_param": "x", "queue": "high", "task": "shout"})
    with database.write():
        database.run("UPDATE task SET relay_at = ?", clock.now() - clock.SECOND)
    assert "high 0 + 1 in the outbox" in shown(person("viewer"))


def test_with_redis_away_it_says_so(
    person: Callable[..., Person], dead_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    text = shown(person("viewer", dead_url))
    assert "Redis cannot be reached at the moment" in text
    assert "SQLite" in text or "PostgreSQL" in text


def test_graphs_of_an_hour_or_a_day(person: Callable[..., Person], database: Database) -> None:
    viewer = person("viewer")
    now = clock.now() // (10 * clock.SECOND) * 10 * clock.SECOND
    with database.write():
        for step, depth in ((10, 4711.0), (300, 815.0)):
            database.run(
                "INSERT INTO history (queue, step, at, depth, oldest, done, failed, latency) VALUES (?,?,?,?,?,?,?,?)",
                "default", step * clock.SECOND, now, depth, 0.0, 2.5, 0.0, 0.1,
            )  # fmt: skip
    assert "4711" in shown(viewer)
    day = shown(viewer, "/admin?window=day")
    assert "815" in day
    assert "4711" not in day


@pytest.mark.parametrize(("role", "status"), [("user", 403), ("viewer", 200), ("operator", 200), ("admin", 200)])
def test_who_may_look(person: Callable[..., Person], role: str, status: int) -> None:
    answer = person(role).get("/admin")
    assert answer.status_code == status
    assert ("/admin" in Page(person(role).get("/tokens").text).links) == (status == 200)


def test_nothing_is_sent_again_when_nothing_changed(person: Callable[..., Person]) -> None:
    viewer = person("viewer")
    first = viewer.get("/admin", **{"X-Live": "1"})
    again = viewer.get("/admin", **{"X-Live": "1", "If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
