"""A real Chromium, the service under gunicorn, and the pages as objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from redisq_api.database import Database

import redisq
from tests.api.conftest import PASSWORDS
from tests.api.offered import app as offered
from tests.api.test_service import Service
from tests.needs import need
from tests.waiting import wait_until

RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file, and no longer: while Playwright runs, its thread can run no event loop."""
    path = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of `service`."""
    return tmp_path_factory.mktemp("console") / "api.sqlite3"


@pytest.fixture
def database_url(database_url: str, request: pytest.FixtureRequest, template: Path, shared_path: Path) -> str:
    """As elsewhere; for what is looked at in a browser always the same one, as it was at first."""
    if "browser" not in request.fixturenames:
        return database_url
    with closing(sqlite3.connect(template)) as source, closing(sqlite3.connect(shared_path, timeout=30)) as target:
        source.backup(target)
    return _url(shared_path)


@pytest.fixture(scope="session")
def services(shared_path: Path) -> Iterator[Callable[[str], Service]]:
    """Gives the service on a Redis. It starts when it is first asked for: that takes longer than many a test."""
    started: list[Service] = []

    @cache
    def on(redis_url: str) -> Service:
        log = shared_path.with_name("gunicorn.log")
        started.append(Service(log, _url(shared_path), redis_url, workers=1, REDISQ_APP="tests.api.offered:app"))
        return started[-1]

    yield on
    for service in started:
        service.stop()


@pytest.fixture
def service(services: Callable[[str], Service], database: Database, redis_url: str) -> Service:
    """A service that offers all kinds of tasks, with the test's `database` and an empty Redis."""
    service = services(redis_url)
    wait_until(service.answers, timeout=30.0, message="gunicorn answers")
    return service


def _url(path: Path) -> str:
    return f"sqlite:///{path}?synchronous=normal"


@pytest.fixture
def worker(redis_url: str) -> redisq.RedisQ:
    """The app of `working.work`, on the test's server."""
    return offered.replace(url=redis_url)


class Console:
    """A browser of one person: `page` is what he looks at."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab, whose scripts and loads have to go well."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("dialog", lambda dialog: self.problems.append(f"a dialog says {dialog.message}"))
        return page

    def _heard(self, kind: str, text: str) -> None:
        # That a load was refused or lost is what some tests are about.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.problems.append(text)

    def open(self, path: str) -> Page:
        """Goes to a page."""
        self.page.goto(self.url + path)
        return self.page

    def log_in(self, name: str = "ann") -> Page:
        """By the form."""
        page = self.open("/login")
        page.fill("[name=name]", name)
        page.fill("[name=password]", PASSWORDS[name])
        page.press("[name=password]", "Enter")
        page.wait_for_selector("h1:has-text('My tasks')")
        return page

    def create(self, task: str, text: str) -> str:
        """A task of one text by the form; its id."""
        page = self.open(f"/tasks/new?task={task}")
        page.fill("textarea", text)
        page.select_option("[name=queue]", "default")
        page.click("text=Create")
        page.wait_for_selector("#task")
        return page.url.rpartition("/")[2]

    def check(self, rules: Sequence[str] = RULES) -> None:
        """The page is accessible to everybody, and nothing went wrong on it."""
        found = Axe().run(self.page, options={"runOnly": rules})
        assert found.violations_count == 0, found.generate_report()
        width = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{self.page.url} is {width} px too wide"
        assert self.problems == []


@pytest.fixture
def console(browser: Browser, service: Service) -> Iterator[Callable[..., Console]]:
    """`console()`: the browser of another person; it takes what Playwright's new_context takes."""
    contexts: list[BrowserContext] = []

    def new(**options: Any) -> Console:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        return Console(context, service.url)

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def ann(console: Callable[..., Console]) -> Console:
    """Ann, logged in."""
    person = console()
    person.log_in()
    return person


