"""One job of anybody: what is shown, and what an operator can do with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
import redis
from redisq_api import audit
from redisq_api.database import Database

import redisq
from tests.api.console.admin.conftest import Person
from tests.api.console.admin.filled import NASTY, fail
from tests.api.test_home import Page


def test_all_about_a_job_that_runs(operator: Person, app: redisq.RedisQ, redis_url: str) -> None:
    app.queue("low").options(job_id="a").enqueue("work", 1, color="red")
    assert app.queue("low").claim() is not None
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.hset("redisq:{low}:job:a", "p", "1/2")  # as its task would, by `set_progress`
    text = " ".join(Page(operator.get("/admin/jobs/low.a").text).text.split())
    for part in ("work running", "1 of 2", '"color": "red"', "Held by", "Attempt 1 runs"):
        assert part in text
    assert app.survey().workers(["low"])[0].name in text


def test_a_dead_letter(operator: Person, app: redisq.RedisQ) -> None:
    fail(app, 1, NASTY)
    job = next(app.queue("low").jobs("failed"))
    page = Page(operator.get(f"/admin/jobs/{job.id}").text)
    assert NASTY in page.text
    assert not {"img", "textarea"} & set(page.tags)
    assert "Attempt 1 failed" in page.text


def test_acts(operator: Person, app: redisq.RedisQ, database: Database) -> None:
    fail(app, 1)
    page = f"/admin/jobs/{next(app.queue('low').jobs('failed')).id}"
    for act, said in (("retry", "runs again"), ("cancel", "is cancelled"), ("delete", "is deleted")):
        answer = operator.post(f"{page}/{act}")
        assert answer.status_code == 303
        assert said in operator.get(answer.headers["Location"]).text
    assert operator.get(page).status_code == 404
    assert [entry.act for entry in audit.entries(database, 3)] == ["job.delete", "job.cancel", "job.retry"]
    assert {entry.subject for entry in audit.entries(database, 3)} == {page.rpartition("/")[2]}


@pytest.mark.parametrize("act", ["retry", "delete"])
def test_what_a_job_is_not_ready_for(operator: Person, app: redisq.RedisQ, database: Database, act: str) -> None:
    job = app.queue("low").put("waits")
    operator.post(f"/admin/jobs/{job.id}/{act}")
    assert "The job is queued by now." in operator.get(f"/admin/jobs/{job.id}").text
    assert job.refresh().status == "queued"
    assert audit.entries(database, 1)[0].act == "user.role"


@pytest.mark.parametrize("act", ["retry", "cancel", "delete"])
def test_who_may_only_look(person: Callable[..., Person], app: redisq.RedisQ, act: str) -> None:
    job = app.queue("low").put("waits")
    assert person("viewer").post(f"/admin/jobs/{job.id}/{act}").status_code == 403
    assert "<form" not in person("viewer").get(f"/admin/jobs/{job.id}").text.partition("<main")[2]
    assert person("user").get(f"/admin/jobs/{job.id}").status_code == 403


@pytest.mark.parametrize("job_id", ["low.gone", "nonsense", "no queue.x"])
def test_a_job_that_is_not_there(operator: Person, job_id: str) -> None:
    assert operator.get(f"/admin/jobs/{job_id}").status_code == 404
    assert operator.post(f"/admin/jobs/{job_id}/cancel").status_code == 404
