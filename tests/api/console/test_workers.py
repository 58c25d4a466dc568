"""Workers and the timetable, looked at and acted on: the server is a real one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redisq_api import audit, create_app
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.settings import Settings
from redisq_api.users import ROLES

import redisq
from tests.api.conftest import Client, queue_app
from tests.api.console.test_people import Person, words

FORMS = (
    ("/admin/workers/stop", {"worker": "nobody"}),
    ("/admin/workers/recycle", {"worker": "nobody"}),
    ("/admin/cron/run", {"entry": "morning"}),
    ("/admin/cron/pause", {"entry": "morning"}),
    ("/admin/cron/resume", {"entry": "morning"}),
)


@pytest.fixture
def timetable(redis_url: str) -> redisq.RedisQ:
    """An app with an entry."""
    app = queue_app(redis_url)
    app.cron("0 9 * * *", app.tasks["shout"], name="morning", args=["x"])
    return app


@pytest.fixture
def person(database: Database, timetable: redisq.RedisQ, redis_url: str) -> Callable[[str], Person]:
    """`person("operator")`: Ann, with that role."""
    client = Client(create_app(Settings(redis_url=redis_url), database=database, queue_app=timetable), None)

    def make(role: str) -> Person:
        Acts(database, "test").set_role("ann", role)
        return Person(client, database)

    return make


def test_who_may_act(person: Callable[[str], Person], database: Database) -> None:
    for role in ROLES:
        ann, may = person(role), role in ("operator", "admin")
        for path, fields in FORMS:
            assert ann.post(path, **fields).status_code == (303 if may else 403), (role, path)
        if role != "user":
            assert ("Run now" in ann.see("/admin/cron")) == may
    acts = [entry.act for entry in audit.entries(database, 3, actor="user:ann")]
    assert acts == ["cron.resume", "cron.pause", "cron.run"]


def test_an_entry_is_run_paused_and_resumed(person: Callable[[str], Person], timetable: redisq.RedisQ) -> None:
    operator = person("operator")
    (entry,) = timetable.cron_entries()
    queue = timetable.queue(entry.queue)
    assert "morning" in operator.see("/admin/cron")
    operator.post("/admin/cron/run", entry="morning")
    assert queue.counts()["queued"] == 1
    operator.post("/admin/cron/pause", entry="morning")
    assert timetable.cron_entries()[0].paused
    assert "morning paused" in operator.see("/admin/cron")
    operator.post("/admin/cron/resume", entry="morning")
    assert not timetable.cron_entries()[0].paused
    operator.post("/admin/cron/run", entry="<b>\0")
    assert "There is no such entry any more." in operator.see("/admin/cron")


def test_what_a_worker_holds(person: Callable[[str], Person], timetable: redisq.RedisQ) -> None:
    operator = person("operator")
    assert "No workers" in operator.see("/admin/workers")
    timetable.queue("low").put("x")
    delivery = timetable.queue("low").claim()
    assert delivery is not None
    page = operator.get("/admin/workers")
    assert delivery.job.id in page.text
    assert "a thread that claims through the library low" in words(page)
    (worker,) = timetable.survey().workers(["low"])
    operator.post("/admin/workers/stop", worker=worker.name)
    assert "no supervisor that reads orders" in operator.see("/admin/workers")
    delivery.ack()


def test_with_redis_away(database: Database, dead_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    app = queue_app(dead_url)
    app.cron("0 9 * * *", app.tasks["shout"], name="morning", args=["x"])
    client = Client(create_app(Settings(redis_url=dead_url), database=database, queue_app=app), None)
    Acts(database, "test").set_role("ann", "operator")
    ann = Person(client, database)
    count = len(audit.entries(database, 100))
    for path in ("/admin/workers", "/admin/cron"):
        assert "Redis cannot be reached at the moment." in ann.see(path)
    for path, fields in FORMS:
        assert ann.post(path, **fields).status_code == 303
        assert "Redis cannot be reached at the moment." in ann.see(path.rpartition("/")[0])
    assert len(audit.entries(database, 100)) == count  # nothing was done, and so nothing is logged
