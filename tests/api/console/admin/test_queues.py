"""A queue: what it shows, and pausing it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from redisq_api import audit
from redisq_api.console.admin import filters
from redisq_api.database import Database

import redisq
from tests.api.console.admin.conftest import Person
from tests.api.console.admin.filled import NASTY, fail
from tests.api.console.test_guard import ODD
from tests.api.test_home import Page


def texts(person: Person, path: str) -> str:
    answer = person.get(path)
    assert answer.status_code == 200
    return " ".join(Page(answer.text).text.split())


def test_jobs_by_status_in_pages(operator: Person, app: redisq.RedisQ) -> None:
    for n in range(60):
        app.queue("low").options(job_id=f"j{n}").enqueue("work", f"number {n}")
    first = operator.get("/admin/queues/low")
    assert "number 59" in first.text
    assert "number 9<" not in first.text
    older = next(link for link in Page(first.text).links if "cursor=" in link)
    second = texts(operator, older)
    assert "number 9 " in second
    assert "number 59" not in second
    assert "No jobs running" in texts(operator, "/admin/queues/low?status=running")


def test_search(operator: Person, app: redisq.RedisQ) -> None:
    fail(app, 3, "KeyError: {}")
    fail(app, 1, "other", task="rest")
    page = "/admin/queues/low?status=failed"
    assert "KeyError: 1" in texts(operator, f"{page}&text=keyerror")
    assert "other" not in texts(operator, f"{page}&task=work")
    assert "Nothing fits" in texts(operator, f"{page}&until=2020-01-01T00:00:00Z")
    assert "KeyError: 2" in texts(operator, f"{page}&error=KeyError:+%23&task=work")
    assert "Only with the error KeyError: #" in texts(operator, f"{page}&error=KeyError:+%23")


@pytest.mark.parametrize("query", ["status=lost", "since=yesterday", "since=2020-01-01T00:00:00", "cursor=nonsense"])
def test_what_cannot_be_asked_for_is_told(operator: Person, query: str) -> None:
    answer = operator.get(f"/admin/queues/default?{query}")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("name", ["nowhere", "no.name", "x" * 200])
def test_a_queue_that_is_not_there(operator: Person, name: str) -> None:
    assert operator.get(f"/admin/queues/{name}").status_code == 404


def test_pause_and_resume(operator: Person, app: redisq.RedisQ, database: Database) -> None:
    app.queue("low").put("x")
    assert operator.post("/admin/queues/low/pause").status_code == 303
    assert app.survey().queues(["low"])[0].paused
    assert "The queue is paused" in texts(operator, "/admin/queues/low")
    operator.post("/admin/queues/low/resume")
    assert not app.survey().queues(["low"])[0].paused
    log = [(entry.actor, entry.act, entry.subject) for entry in audit.entries(database, 2)]
    assert log == [("user:ann", "queue.resume", "low"), ("user:ann", "queue.pause", "low")]


@pytest.mark.parametrize("act", ["pause", "resume", "bulk"])
def test_who_may_only_look(person: Callable[..., Person], app: redisq.RedisQ, database: Database, act: str) -> None:
    app.queue("low").put("x")
    viewer = person("viewer")
    assert viewer.post(f"/admin/queues/low/{act}", act="cancel", status="queued").status_code == 403
    page = viewer.get("/admin/queues/low").text
    assert "<dialog" not in page
    assert "/pause" not in page
    assert app.queue("low").counts()["queued"] == 1
    assert [entry.act for entry in audit.entries(database, 9)] == ["user.role"]


def test_what_others_wrote_is_only_text(operator: Person, app: redisq.RedisQ) -> None:
    app.queue("low").enqueue("work", NASTY)
    fail(app, 1, NASTY)
    for path in ("/admin/queues/low", "/admin/queues/low?status=failed", "/admin/dead"):
        page = Page(operator.get(path).text)
        assert not {"img", "textarea"} & set(page.tags)
        assert "49" not in page.text


@pytest.mark.parametrize("odd", ODD)
def test_what_no_browser_sends_is_refused_and_breaks_nothing(operator: Person, app: redisq.RedisQ, odd: str) -> None:
    fail(app, 1)
    sent = quote(odd, safe="", errors="surrogatepass")
    paths = [f"/admin/queues/low?status=failed&{name}={sent}" for name in (*filters.NAMES, "status", "cursor")]
    paths += [f"/admin/queues/{sent}", f"/admin/jobs/{sent}", f"/admin/jobs/low.{sent}", f"/admin?window={sent}"]
    for path in paths:
        assert (path, operator.get(path).status_code) in ((path, 200), (path, 404), (path, 400))
    for name in ("act", "status", "left", "cursor", "seen", "entry", "error"):
        fields = {"act": "retry", "status": "failed", "task": "none"} | {name: odd.encode("utf-8", "surrogatepass")}
        assert operator.post("/admin/queues/low/bulk", **fields).status_code in (303, 400, 422)
    assert app.queue("low").counts()["failed"] == 1
