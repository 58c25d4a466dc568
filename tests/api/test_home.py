"""The pages for people: whole HTML, nothing from elsewhere, nothing that a visitor could put into it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from tests.api.conftest import PASSWORDS, Client, basic


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def nobody(make_client: Callable[..., Client], dead_url: str) -> Client:
    return make_client(None, dead_url)


def test_the_first_page_tells_how_to_use_it(nobody: Client) -> None:
    answer = nobody("GET", "/", headers={"Host": "127.0.0.1:8000"})
    page = Page(answer.text)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for example in (
        'curl -X POST http://127.0.0.1:8000/api/v1/task/ -d "input_param=qwerty" -u test:test',
        'curl -X POST http://127.0.0.1:8000/api/v1/task/ -d "input_param[]=asd&input_param[]=zxc&input_param[]=123"'
        " -u test:test",
        "$.ajax({",
        "/api/v1/task/{id}/result",
        "You are not logged in",
        "shout (unless you name one), fail",
    ):
        assert example in page.text
    assert not {"style", "img", "form"} & set(page.tags)
    assert not {"style", "onclick", "onload"} & page.attributes
    assert all(link.startswith(("/", "#")) for link in page.links)


def test_it_shows_who_you_are(client: Client) -> None:
    text = " ".join(Page(client("GET", "/").text).text.split())
    assert "You are ann Logout" in text
    assert "Your workers are on default, high" in text


def test_wrong_credentials_make_a_visitor(nobody: Client) -> None:
    answer = nobody("GET", "/", headers={"Authorization": basic("ann", "wrong")})
    assert answer.status_code == 200
    assert "You are not logged in" in answer.text


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "a'b", "{{ 7*7 }}", "x" * 5000])
def test_a_host_header_is_only_text(nobody: Client, host: str) -> None:
    text = nobody("GET", "/", headers={"Host": host}).text
    page = Page(text)
    assert "<script>alert" not in text
    assert f"http://{host}/api/v1/task/" in page.text


def test_login_asks_and_then_shows_the_first_page(nobody: Client) -> None:
    asked = nobody("GET", "/login")
    assert (asked.status_code, asked.headers["WWW-Authenticate"]) == (401, 'Basic realm="redisq", charset="UTF-8"')
    logged_in = nobody("GET", "/login", headers={"Authorization": basic("ann", PASSWORDS["ann"])})
    assert (logged_in.status_code, logged_in.headers["Location"]) == (303, "/")


def test_logout_refuses_also_what_is_right(nobody: Client) -> None:
    answer = nobody("GET", "/logout", headers={"Authorization": basic("ann", PASSWORDS["ann"])})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="redisq", charset="UTF-8"')
    page = Page(answer.text)
    assert "You are logged out" in page.text
    assert "/login" in page.links


def test_style_sheet_and_scripts_are_kept_as_long_as_they_are_the_same(nobody: Client) -> None:
    page = Page(nobody("GET", "/").text)
    assets = [link for link in page.links if link.startswith("/static/")]
    shipped = [file.name for file in files("redisq_api.console").joinpath("static").iterdir()]
    assert sorted(link.partition("?")[0].removeprefix("/static/") for link in assets) == sorted(shipped)
    for address in assets:
        answer = nobody("GET", address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        tag = answer.headers["ETag"]
        assert nobody("GET", address, headers={"If-None-Match": tag}).status_code == 304
        assert nobody("GET", address.partition("?")[0]).headers["Cache-Control"] == "no-cache"
    assert nobody("GET", "/static/none.css").status_code == 404
