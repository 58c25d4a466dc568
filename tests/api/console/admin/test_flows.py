"""What operators do on the console, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from redisq_api.acts import Acts
from redisq_api.database import Database

import redisq
from tests.api.console.admin.filled import NASTY, fail
from tests.api.console.conftest import Console


@pytest.fixture
def ops(console: Callable[..., Console], database: Database) -> Console:
    """Ann as an operator, logged in."""
    Acts(database, "test").set_role("ann", "operator")
    person = console()
    person.log_in()
    return person


def test_from_the_overview_to_a_job_and_back(ops: Console, worker: redisq.RedisQ) -> None:
    fail(worker, 1, NASTY)
    worker.queue("low").enqueue("work", NASTY)
    page = ops.page
    page.click("nav >> text=Overview")
    expect(page.locator("#q-low [data-label=Dead]")).to_have_text("1")
    ops.check()
    page.click("#q-low a")
    expect(page.locator("#list td.main a")).to_have_text([NASTY])
    ops.check()
    page.click("#list td.main a")
    expect(page.locator("h1 .badge")).to_have_text("queued")
    ops.check()
    page.click("text=Cancel")
    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    page.click("nav >> text=Dead letters")
    expect(page.locator("#dead td.main")).to_contain_text("onerror=alert")
    ops.check()
    page.click("#dead td.main a")
    page.click("#list td.main a")
    expect(page.locator("#error")).to_contain_text("</textarea>")
    ops.check()


def test_a_queue_is_paused_purged_and_watched(ops: Console, worker: redisq.RedisQ) -> None:
    page = ops.open("/admin")
    low = worker.queue("low")
    low.enqueue_many("work", [((n,), {}) for n in range(1500)])
    expect(page.locator("#q-low [data-label=Waiting]")).to_have_text("1,500")  # by itself
    page.click("#q-low a")
    page.click("text=Pause")
    expect(page.locator("h1 .badge")).to_have_text("paused")
    page.click("#queue >> text=Purge")
    ops.check()
    page.click("dialog[open] .solid")
    expect(page.locator(".note.good:visible")).to_have_text("1,500 jobs cancelled.")
    page.click("text=Resume")
    expect(page.locator("h1 .badge")).to_have_count(0)
    assert low.counts()["queued"] == 0


@pytest.mark.parametrize("java_script", [True, False])
def test_thousands_in_portions_with_a_bar(
    console: Callable[..., Console], database: Database, worker: redisq.RedisQ, java_script: bool
) -> None:
    Acts(database, "test").set_role("ann", "operator")
    person = console(java_script_enabled=java_script)
    person.log_in()
    worker.queue("low").enqueue_many("work", [(("x" * 100, n), {}) for n in range(20_000)])
    worker.queue("low").enqueue("other")
    page = person.open("/admin/queues/low?task=work")
    page.click(".bulk >> text=Cancel")
    page.click("dialog[open] .solid")
    expect(page.locator("progress")).to_be_visible()
    if java_script:
        person.check()
    while not java_script and page.locator("text=Continue").count():
        page.click("text=Continue")
    expect(page.locator("#bulk")).to_contain_text("20,000 jobs cancelled.", timeout=60_000)
    page.click("text=Back to the queue")
    expect(page.locator("#list .empty")).to_be_visible()
    assert worker.queue("low").counts()["queued"] == 1


def test_a_group_of_dead_letters_is_retried(ops: Console, worker: redisq.RedisQ) -> None:
    fail(worker, 30)
    fail(worker, 3, "disk full")
    page = ops.open("/admin/dead")
    expect(page.locator("#dead tbody tr")).to_have_count(2)
    page.locator("#dead tr", has_text="KeyError").locator("text=Retry").first.click()
    page.click("dialog[open] .solid")
    expect(page.locator(".note.good:visible")).to_have_text("30 jobs retried.")
    assert worker.queue("low").counts()["failed"] == 3


@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}])
def test_every_page_is_accessible(
    console: Callable[..., Console], database: Database, worker: redisq.RedisQ, options: object
) -> None:
    assert isinstance(options, dict)
    Acts(database, "test").set_role("ann", "operator")
    person = console(**options)
    person.log_in()
    fail(worker, 3)
    job = next(worker.queue("low").jobs("failed"))
    for path in (
        "/admin",
        "/admin/queues/low?status=failed",
        "/admin/queues/low?text=nothing",
        f"/admin/jobs/{job.id}",
        "/admin/dead",
    ):
        person.open(path)
        person.check()
