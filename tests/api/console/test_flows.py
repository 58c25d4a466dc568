"""What people do on the console, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from redisq_api.acts import Acts
from redisq_api.database import Database

import redisq
from tests.api.conftest import PASSWORDS
from tests.api.console.conftest import RULES, Console
from tests.api.test_service import Service
from tests.api.working import work
from tests.waiting import wait_until

NASTY = "<img src=x onerror=alert(1)>'\"</textarea></pre><script>alert(2)</script>{{ 7*7 }}"


def test_a_task_from_the_form_to_its_end_without_reloading(ann: Console, worker: redisq.RedisQ) -> None:
    ann.create("shout", "hello")
    expect(ann.page.locator("h1 .badge")).to_have_text("queued")
    ann.check()
    watched = ann.tab()
    watched.goto(f"{ann.url}/")
    expect(watched.locator("#list .badge").first).to_have_text("queued")
    work(worker)
    expect(ann.page.locator("h1 .badge")).to_have_text("succeeded")
    expect(ann.page.locator("#result")).to_have_text('"HELLO"')
    expect(watched.locator("#list .badge").first).to_have_text("succeeded")
    ann.check()


def test_a_new_task_appears_in_the_list_by_itself(ann: Console, console: Callable[..., Console]) -> None:
    expect(ann.page.locator(".empty .title")).to_have_text("No tasks yet")
    other = console()
    other.log_in()
    other.create("echo", "from elsewhere")
    expect(ann.page.locator("td.main a")).to_have_text("from elsewhere")


def test_the_form_of_an_object(ann: Console, worker: redisq.RedisQ) -> None:
    page = ann.open("/tasks/new?task=resize")
    page.fill("[name='input/url']", "https://a.example/1.png")
    page.fill("[name='input/sizes']", '[{"width": 0}]')
    page.click("text=Create")
    expect(page.locator(".note.bad:visible")).to_contain_text("input_param does not fit")
    assert page.input_value("[name='input/url']") == "https://a.example/1.png"
    expect(page.locator("label:has([name='input/sizes']) .wrong")).to_contain_text("Expected")
    ann.check()
    page.fill("[name='input/sizes']", '[{"width": 5, "unit": "mm"}]')
    page.click("text=Create")
    expect(page.locator("#input")).to_contain_text('"unit": "mm"')
    assert '"title"' not in page.text_content("#input")


def test_many_at_once(ann: Console) -> None:
    page = ann.open("/tasks/new?task=square&mode=many")
    page.fill("[name=many]", "1\n2\n\nx")
    page.click("text=Create")
    expect(page.locator(".wrong")).to_contain_text("Expected `int`, got `str`".replace("`", ""))
    page.fill("[name=many]", "1\n2\n3")
    page.click("text=Create")
    expect(page.locator(".note.good:visible")).to_have_text("3 tasks are accepted.")
    expect(page.locator("td.main a")).to_have_text(["3", "2", "1"])


def test_filters(ann: Console) -> None:
    for task, text in (("echo", "apples"), ("shout", "pears"), ("echo", "100% _real_")):
        ann.create(task, text)
    page = ann.open("/")
    page.select_option("[name=task]", "shout")
    expect(page.locator("td.main a")).to_have_text(["pears"])
    for text, found in (("APPL", ["apples"]), ("%", ["100% _real_"]), ("s_", [])):
        page = ann.open("/")
        page.fill("[name=text]", text)
        page.press("[name=text]", "Enter")
        expect(page.locator("td.main a")).to_have_text(found)
    ann.check()
    page.click("text=Clear")
    expect(page.locator("td.main a")).to_have_count(3)
    ann.open("/?status=cancelled")
    expect(page.locator(".empty .title")).to_have_text("Nothing fits")
    ann.open("/?created_after=nonsense")
    expect(page.locator(".note.bad:visible")).to_contain_text("created_after")


def test_cancel_and_delete(ann: Console) -> None:
    ann.create("echo", "x")
    page = ann.page
    page.click("text=Cancel")
    expect(page.locator(".note.good:visible")).to_contain_text("cancelled")
    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    page.click("#task >> text=Delete")
    expect(page.locator("dialog")).to_be_visible()
    ann.check()
    page.click("text=Keep it")
    expect(page.locator("dialog")).not_to_be_visible()
    page.click("#task >> text=Delete")
    page.click("dialog >> text=Delete >> nth=-1")
    expect(page.locator(".note.good:visible")).to_have_text("The task is deleted.")
    expect(page.locator(".empty")).to_be_visible()


def test_tokens_are_shown_once_and_revoked(ann: Console, service: Service) -> None:
    page = ann.open("/tokens")
    page.fill("[name=name]", "no spaces here")
    page.click("text=Create token")
    expect(page.locator(".note.bad:visible")).to_contain_text("A token's name is")
    ann.check()
    page.fill("[name=name]", "ci")
    page.click("text=Create token")
    token = page.text_content("#new-token")
    assert token is not None
    ann.check()
    asked = ann.context.request.get(f"{service.url}/api/v1/task", headers={"Authorization": f"Bearer {token}"})
    assert asked.status == 200
    ann.open("/tokens")
    assert token not in page.content()
    page.click("td >> text=Revoke >> nth=0")
    page.click("dialog[open] .solid")
    expect(page.locator(".note.good:visible")).to_have_text("The token is revoked.")
    asked = ann.context.request.get(f"{service.url}/api/v1/task", headers={"Authorization": f"Bearer {token}"})
    assert asked.status == 401


def test_what_somebody_wrote_is_only_text(ann: Console, worker: redisq.RedisQ) -> None:
    ann.create("echo", NASTY)
    work(worker)
    page = ann.page
    expect(page.locator("h1 .badge")).to_have_text("succeeded")
    for path in ("/", page.url.removeprefix(ann.url), f"/?text={NASTY}&queue={NASTY}&created_after={NASTY}"):
        ann.open(path)
        assert page.locator("main img, main script").count() == 0
    ann.open("/tokens")
    page.fill("[name=name]", NASTY)
    page.click("text=Create token")
    expect(page.locator("[name=name]")).to_have_value(NASTY[:64])
    ann.open("/login?next=//evil.example&reason=" + NASTY)
    ann.check()


def test_two_tabs_of_which_one_logs_out(ann: Console, service: Service) -> None:
    other = ann.tab()
    other.goto(f"{ann.url}/tokens")
    ann.page.click("[aria-label=Logout]")
    expect(ann.page.locator(".note:visible")).to_have_text("You are logged out.")
    other.click("text=Create token")
    expect(other.locator(".note:visible")).to_have_text("Your session has ended. Log in to go on.")
    other.fill("[name=name]", "ann")
    other.fill("[name=password]", PASSWORDS["ann"])
    other.click("main button")
    other.wait_for_url("**/tokens")
    assert ann.problems == []


def test_a_session_that_is_over_says_so_without_a_reload(ann: Console, database: Database) -> None:
    with database.write():
        database.run("UPDATE session SET seen_at = 1")
    expect(ann.page.locator("#connection")).to_contain_text("Your session has ended")
    ann.open("/tokens")
    expect(ann.page.locator("h1")).to_have_text("Log in")


def test_another_password_and_a_disabled_user_end_his_sessions(ann: Console, database: Database) -> None:
    Acts(database, "test").set_password("ann", PASSWORDS["ann"])
    expect(ann.open("/tokens").locator("h1")).to_have_text("Log in")
    ann.log_in()
    Acts(database, "test").disable("ann")
    expect(ann.open("/tokens").locator("h1")).to_have_text("Log in")


def test_a_dropped_connection_is_told_and_comes_back(ann: Console) -> None:
    note = ann.page.locator("#connection")
    ann.context.set_offline(True)
    expect(note).to_contain_text("The connection is lost")
    ann.context.set_offline(False)
    expect(note).to_be_hidden()


def test_a_server_that_goes_away_and_comes_back(ann: Console, service: Service) -> None:
    note = ann.page.locator("#connection")
    service.stop()
    expect(note).to_contain_text("The connection is lost")
    service.start()
    expect(note).to_be_hidden(timeout=40_000)
    other = ann.tab()
    other.goto(f"{ann.url}/tasks/new?task=shout")
    other.fill("textarea", "after all")
    other.click("text=Create")
    expect(ann.page.locator("td.main a")).to_have_text("after all")


def test_dialogs_where_buttons_know_no_commands(ann: Console) -> None:
    ann.context.add_init_script(
        "delete HTMLButtonElement.prototype.command;"
        "addEventListener('command', (event) => event.preventDefault(), true);"
    )
    ann.create("echo", "x")
    page = ann.page
    page.click("text=Cancel")
    page.click("#task >> text=Delete")
    expect(page.locator("dialog")).to_be_visible()
    page.click("text=Keep it")
    expect(page.locator("dialog")).not_to_be_visible()


def test_with_the_keyboard_alone(ann: Console) -> None:
    page = ann.open("/tasks/new?task=shout")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "input":
            break
    page.keyboard.type("typed")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#input")).to_have_text('"typed"')


def test_without_javascript(console: Callable[..., Console]) -> None:
    person = console(java_script_enabled=False)
    person.log_in()
    person.create("echo", "plain")
    page = person.page
    expect(page.locator("h1 .badge")).to_have_text("queued")
    expect(page.locator("time").first).to_contain_text("UTC")
    page.click("text=Cancel")
    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    page.click("summary >> text=Delete")
    page.click("details.confirm form >> text=Delete >> nth=-1")
    expect(page.locator(".empty .title")).to_have_text("No tasks yet")
    page.click("[aria-label=Logout]")
    expect(page.locator("h1")).to_have_text("Log in")


# Of what is dark, only the colours are others.
LOOKS = [({"viewport": {"width": 390, "height": 844}}, RULES), ({"color_scheme": "dark"}, ["color-contrast"])]


@pytest.mark.parametrize(("options", "rules"), LOOKS, ids=["phone", "dark"])
def test_every_page_is_accessible(
    console: Callable[..., Console], worker: redisq.RedisQ, options: dict[str, object], rules: list[str]
) -> None:
    person = console(**options)
    for path in ("/", "/login"):
        person.open(path)
        person.check(rules)
    person.log_in("ann")
    person.check(rules)
    task_id = person.create("echo", "x" * 3000)
    work(worker)
    for path in ("/", f"/tasks/{task_id}", "/tasks/new", "/tasks/new?task=resize", "/tasks/new?task=either&mode=json"):
        person.open(path)
        person.check(rules)
    for path in ("/tokens", "/docs", "/nowhere"):
        person.open(path)
        person.check(rules)


def test_the_theme_is_kept(ann: Console) -> None:
    ann.page.click("[data-theme-toggle]")
    page = ann.open("/tokens")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 18, 22)"


def test_what_nothing_happened_to_is_not_sent_again(ann: Console) -> None:
    statuses: list[int] = []
    ann.page.on("response", lambda answer: statuses.append(answer.status))
    wait_until(lambda: ann.page.wait_for_timeout(200) or statuses.count(304) >= 2, timeout=20.0)
    assert statuses.count(200) <= 1
