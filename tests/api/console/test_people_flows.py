"""Managing people, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from redisq_api.acts import Acts
from redisq_api.database import Database

import redisq
from tests.api.console.conftest import Console

NASTY = "<img src=x onerror=alert(1)>'\"{{ 7*7 }}"


@pytest.fixture
def admin(console: Callable[..., Console], database: Database) -> Console:
    """Ann, who is an administrator, logged in."""
    Acts(database, f"cli:{NASTY}").set_role("ann", "admin")
    person = console()
    person.log_in()
    return person


def test_a_user_from_the_first_form_to_the_audit_log(admin: Console) -> None:
    page = admin.page
    page.click("nav >> text=Plans")
    admin.check()
    page.click("text=New plan")
    page.fill("[name=name]", "gold")
    page.fill("[name=workers]", "high:3 default")
    page.select_option("[name=rule]", "weighted")
    admin.check()
    page.click("text=Add plan")
    expect(page.locator(".note.good:visible")).to_contain_text("gold")
    admin.check()
    page.click("nav >> text=Users")
    page.click("text=New user")
    page.fill("[name=name]", NASTY)
    page.fill("[name=password]", "a secret")
    page.select_option("[name=plan]", "gold")
    page.click("text=Add user")
    expect(page.locator(".note.bad:visible")).to_contain_text("A user's name is")
    assert page.input_value("[name=name]") == NASTY
    admin.check()
    page.fill("[name=name]", "carl")
    page.fill("[name=password]", "a secret")
    page.click("text=Add user")
    expect(page.locator("h1")).to_have_text("carl")
    admin.check()
    page.fill("form[aria-label='Grant workers'] [name=workers]", NASTY)
    page.click("text=Grant")
    expect(page.locator(".note.bad:visible")).to_contain_text("A queue's name is")
    admin.check()
    page.fill("form[aria-label='Grant workers'] [name=workers]", "low:2")
    page.click("text=Grant")
    expect(page.locator("tr", has_text="low")).to_contain_text("by name")
    page.click("text=Disable")
    page.click("dialog >> text=Disable >> nth=-1")
    expect(page.locator("h1 .badge")).to_have_text("disabled")
    admin.check()
    page.click("main >> text=Audit log")
    expect(page.locator("tbody strong")).to_have_text(["user.disable", "user.grant", "user.add"])
    admin.check()


def test_nothing_in_the_log_is_more_than_text(admin: Console) -> None:
    page = admin.open("/admin/audit")
    expect(page.locator("tbody tr").first).to_contain_text(NASTY)
    admin.check()
    page.click(f"text=cli:{NASTY[:10]}")
    assert page.input_value("[name=actor]") == f"cli:{NASTY}"
    expect(page.locator("tbody tr")).to_have_count(1)


def test_long_names_fit(admin: Console, database: Database) -> None:
    acts, name, plan = Acts(database, "cli:x" * 12), "n" * 64, "p" * 64
    acts.put_plan(plan, ["q" * 64, "r" * 60], None, {})
    acts.add(name, "x", ["s" * 64], False, plan)
    for width in (1024, 390):
        admin.page.set_viewport_size({"width": width, "height": 844})
        for path in ("users", f"users/{name}", "plans", f"plans/{plan}", "new-user", "audit"):
            page = admin.open(f"/admin/{path}")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)


def test_workers_and_cron(admin: Console, worker: redisq.RedisQ) -> None:
    worker.queue("default").put(NASTY)
    delivery = worker.queue("default").claim()
    assert delivery is not None
    page = admin.open("/admin/workers")
    expect(page.locator("td[data-label=Runs]")).to_contain_text(delivery.job.id)
    admin.check()
    page.click("nav >> text=Cron")
    expect(page.locator(".empty .title")).to_have_text("No entries")
    admin.check()
