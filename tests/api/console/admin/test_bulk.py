"""What is done to all jobs that a filter chooses: in portions, once each, and logged."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from redisq_api import audit
from redisq_api.console.admin import bulk
from redisq_api.database import Database

import redisq
from tests.api.console.admin.conftest import Person
from tests.api.console.admin.filled import fail

BULK = "/admin/queues/low/bulk"


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST does one round trip."""
    monkeypatch.setattr(bulk, "_SECONDS", 0.0)
    monkeypatch.setattr("redisq.search.PORTION", 3)


def hidden(page: str) -> dict[str, str]:
    """The fields of the form that goes on; none if that was all."""
    if "data-continues" not in page:
        return {}
    form = page.partition("data-continues")[2].partition("</form>")[0]
    fields = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    del fields["csrf"]
    return fields


def carry_out(person: Person, **fields: str) -> list[str]:
    """Does all of it; the pages that came between."""
    pages = []
    answer = person.post(BULK, **fields)
    while answer.status_code == 200:
        pages.append(answer.text)
        if not (fields := hidden(answer.text)):
            break
        answer = person.post(BULK, **fields)
    assert answer.status_code in (200, 303), answer.text
    return pages


def test_what_is_done_at_once_leads_back(operator: Person, app: redisq.RedisQ, database: Database) -> None:
    fail(app, 5)
    answer = operator.post(BULK, act="retry", status="failed")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/queues/low?status=failed")
    assert "5 jobs retried." in operator.get("/admin/queues/low").text
    assert app.queue("low").counts()["queued"] == 5
    entry = audit.entries(database, 1)[0]
    assert (entry.actor, entry.act, entry.subject) == ("user:ann", "jobs.retry", "low")
    assert entry.detail == {"status": ["failed"], "done": 5}


@pytest.mark.usefixtures("small_portions")
@pytest.mark.parametrize(("act", "left"), [("retry", "queued"), ("delete", None)])
def test_by_filter_in_portions(
    operator: Person, app: redisq.RedisQ, database: Database, act: str, left: str | None
) -> None:
    fail(app, 10)
    fail(app, 2, "other", task="rest")
    pages = carry_out(operator, act=act, status="failed", task="work", error="KeyError: #")
    assert len(pages) >= 4
    assert "of 12 were looked at" in pages[0]
    assert "10 jobs" in pages[-1]
    assert 'class="button solid" href="/admin/queues/low?status=failed&amp;task=work&amp;error=' in pages[-1]
    assert app.queue("low").counts() == {
        "scheduled": 0,
        "queued": 10 if left else 0,
        "running": 0,
        "failed": 2,
    }
    entry, before = audit.entries(database, 2)
    assert entry.detail == {"status": ["failed"], "task": "work", "error": "KeyError: #", "done": 10}
    assert before.act == "user.role"


@pytest.mark.usefixtures("small_portions")
def test_purge(operator: Person, app: redisq.RedisQ) -> None:
    for n in range(8):
        app.queue("low").options(delay=100.0 * (n % 2)).put(n)
    carry_out(operator, act="cancel", status="queued scheduled")
    assert app.queue("low").counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}


@pytest.mark.usefixtures("small_portions")
def test_who_makes_up_how_far_he_is_is_logged_all_the_same(
    operator: Person, app: redisq.RedisQ, database: Database
) -> None:
    fail(app, 4)
    known = audit.entries(database, 1)[0].id
    operator.post(BULK, act="delete", status="failed", left="failed", entry=known, done=99)
    entry = audit.entries(database, 1)[0]
    assert (entry.act, entry.detail["done"]) == ("jobs.delete", 3)
    assert entry.id != known


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "burn", "status": "failed"},
        {"act": "delete", "status": "queued"},
        {"act": "delete", "status": "failed", "left": "queued", "entry": "1"},
        {"act": "retry"},
        {"act": "retry", "status": "failed", "entry": "x"},
        {"act": "retry", "status": "failed", "since": "soon"},
        {"act": "retry", "status": "failed", "left": "failed", "cursor": "nonsense", "entry": "1"},
    ],
)
def test_what_makes_no_sense_does_nothing(operator: Person, app: redisq.RedisQ, fields: dict[str, str]) -> None:
    fail(app, 1)
    app.queue("low").put("waits")
    assert operator.post(BULK, **fields).status_code == 422
    assert app.queue("low").counts()["failed"] == 1
    assert app.queue("low").counts()["queued"] == 1


def test_dead_letters_by_their_error(person: Callable[..., Person], app: redisq.RedisQ) -> None:
    assert "No dead letters" in person("viewer").get("/admin/dead").text
    fail(app, 6)
    fail(app, 2, "disk full", task="rest")
    answer = person("operator").get("/admin/dead").text
    assert answer.index("KeyError") < answer.index("disk full")
    form = answer.partition('id="retry-')[2].partition("</form>")[0]
    fields = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    assert fields.pop("csrf")
    assert fields == {"act": "retry", "status": "failed", "task": "work", "error": "KeyError: #"}
    assert "<dialog" not in person("viewer").get("/admin/dead").text
