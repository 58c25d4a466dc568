"""What administrators do about people: who may, what comes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

import falcon.testing
import pytest
from redisq_api import audit, grants, tokens, users
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.sessions import Sessions
from redisq_api.users import ROLES

from tests.api.conftest import Client, find
from tests.api.console.test_guard import ODD
from tests.api.test_home import Page

OWN = {"Host": "a.example", "Origin": "http://a.example", "Content-Type": "application/x-www-form-urlencoded"}
PAGES = {
    "/admin/users": "admin",
    "/admin/new-user": "admin",
    "/admin/users/bob": "admin",
    "/admin/plans": "admin",
    "/admin/new-plan": "admin",
    "/admin/plans/gold": "admin",
    "/admin/audit": "viewer",
    "/admin/workers": "viewer",
    "/admin/cron": "viewer",
}
FORMS = {
    "/admin/new-user": {"name": "carl", "password": "x", "workers": "low"},
    "/admin/users/bob/settings": {"role": "viewer"},
    "/admin/users/bob/grant": {"workers": "low:3"},
    "/admin/users/bob/revoke": {"queue": "default"},
    "/admin/users/bob/password": {"password": "another"},
    "/admin/users/bob/disable": {},
    "/admin/users/bob/enable": {},
    "/admin/users/bob/token": {"token": "laptop"},
    "/admin/new-plan": {"name": "silver"},
    "/admin/plans/gold": {"workers": "low"},
    "/admin/plans/gold/remove": {},
}


class Person:
    """Ann, logged in."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        sessions = Sessions(database, 60, 600)
        cookie = sessions.start(find(database, "ann"))
        session = sessions.find(cookie)
        assert session is not None
        self._csrf = session.csrf
        self._headers = OWN | {"Cookie": f"redisq={cookie}", "Accept": "text/html"}

    def get(self, path: str) -> falcon.testing.Result:
        return self._client("GET", path, headers=self._headers)

    def post(self, path: str, **fields: str) -> falcon.testing.Result:
        return self._client("POST", path, body=urlencode({"csrf": self._csrf, **fields}), headers=self._headers)

    def see(self, path: str) -> str:
        """The words of a page."""
        answer = self.get(path)
        assert answer.status_code == 200
        return words(answer)


def content(database: Database) -> list[object]:
    """All that an act could change."""
    return [database.all(f"SELECT * FROM {table}") for table in ("account", "worker", "token", "plan", "audit")]


def words(answer: falcon.testing.Result) -> str:
    return " ".join(Page(answer.text).text.split())


@pytest.fixture
def person(
    make_client: Callable[..., Client], database: Database, dead_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Person]:
    """`person("operator")`: Ann, with that role."""
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    client = make_client(None, dead_url)

    def make(role: str) -> Person:
        Acts(database, "test").set_role("ann", role)
        return Person(client, database)

    return make


@pytest.fixture
def admin(person: Callable[[str], Person]) -> Person:
    return person("admin")


def test_who_may_look_and_who_may_act(person: Callable[[str], Person], database: Database, acts: Acts) -> None:
    users.create_token(database, find(database, "bob"), "laptop")
    acts.put_plan("gold", ["high"], None, {})
    for role in ROLES:
        ann = person(role)
        links = Page(ann.get("/tokens").text).links
        for path, least in PAGES.items():
            is_allowed = ROLES.index(role) >= ROLES.index(least)
            assert ann.get(path).status_code == (200 if is_allowed else 403), (role, path)
        assert ("/admin/users" in links) == (role == "admin")
        for path, fields in FORMS.items():
            before = content(database)
            assert ann.post(path, **fields).status_code == (303 if role == "admin" else 403), (role, path)
            if role != "admin":
                assert content(database) == before


def test_the_list_is_searched_and_has_pages(admin: Person, database: Database) -> None:
    with database.write():
        for n in range(60):
            database.run(
                "INSERT INTO account (name, password, role, created_at) VALUES (?, 'x', 'user', 1)", f"Name_{n:02}"
            )
    first = admin.get("/admin/users?text=name_")
    names = [link.rpartition("/")[2] for link in Page(first.text).links if link.startswith("/admin/users/")]
    assert names == [f"Name_{n:02}" for n in range(50)]
    assert "/admin/users?text=name_&after=Name_49" in Page(first.text).links
    assert "Name_59" in admin.see("/admin/users?text=name_&after=Name_49")
    assert "Nobody" in admin.see("/admin/users?text=e%25_")  # neither is a wildcard
    assert "Nobody" in admin.see("/admin/users?text=a%00%00b&after=%00")


def test_settings_are_logged_one_by_one(admin: Person, database: Database, acts: Acts) -> None:
    acts.put_plan("gold", ["high:2"], "weighted", {"unfinished": 7})
    count = len(audit.entries(database, 100))
    fields = {"role": "viewer", "plan": "gold", "rule": "", "unfinished": "none", "requests": "600/60"}
    assert admin.post("/admin/users/bob/settings", **fields).status_code == 303
    logged = audit.entries(database, 100)[: -count or None]
    assert {entry.act for entry in logged} == {"user.role", "user.plan", "user.quota"}
    assert {(entry.actor, entry.subject) for entry in logged} == {("user:ann", "bob")}
    bob = find(database, "bob")
    assert (bob.role, bob.plan, bob.rule) == ("viewer", "gold", "weighted")
    assert grants.own(database, bob.id) == (None, grants.Quota(0, 600, 60))
    page = admin.get("/admin/users/bob")
    assert 'value="none"' in page.text
    assert 'value="600/60"' in page.text
    assert "high 2 by the plan gold" in words(page)
    admin.post("/admin/users/bob/settings", **fields)
    assert len(audit.entries(database, 100)) == count + 3  # nothing is other than it was


@pytest.mark.parametrize(
    ("form", "fields", "message"),
    [
        ("settings", {"role": "king"}, "The role is one of"),
        ("settings", {"role": "user", "rule": "best"}, "The rule is one of"),
        ("settings", {"role": "user", "unfinished": "many"}, "A quota of unfinished tasks is"),
        ("settings", {"role": "user", "requests": "7"}, "A quota of requests is"),
        ("settings", {"role": "viewer", "plan": "silver"}, "There is no plan silver."),
        ("grant", {"workers": "a b!"}, "A queue's name is"),
        ("grant", {"workers": " , "}, "Name a queue to grant."),
        ("revoke", {"queue": "high"}, "Bob was given no worker on high."),
        ("password", {"password": ""}, "A password has"),
        ("token", {"token": "nothing"}, "Bob has no token nothing."),
    ],
)
def test_what_cannot_be_is_said_beside_the_form(
    admin: Person, database: Database, form: str, fields: dict[str, str], message: str
) -> None:
    before = find(database, "bob"), audit.entries(database, 100)
    answer = admin.post(f"/admin/users/bob/{form}", **fields)
    assert answer.status_code == 422
    assert message in words(answer)
    assert (find(database, "bob"), audit.entries(database, 100)) == before


def test_the_last_administrator_stays(admin: Person, database: Database, acts: Acts) -> None:
    for form, fields in (("disable", {}), ("settings", {"role": "operator"})):
        answer = admin.post(f"/admin/users/ann/{form}", **fields)
        assert answer.status_code == 422
        assert "Nobody would be left" in words(answer)
    assert find(database, "ann").admin
    acts.set_role("bob", "admin")
    acts.disable("bob")
    assert admin.post("/admin/users/ann/disable").status_code == 422
    acts.enable("bob")
    answer = admin.post("/admin/users/ann/settings", role="user")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert admin.get("/admin/users").status_code == 403


def test_a_user_is_added_and_disabled(admin: Person, database: Database) -> None:
    taken = admin.post("/admin/new-user", name="bob", password="x", workers="low")
    assert (taken.status_code, "There is a user bob already." in words(taken)) == (422, True)
    added = admin.post("/admin/new-user", name="carl", password="x", workers="low:2, high")
    assert added.headers["Location"] == "/admin/users/carl"
    assert "high 1 by name Revoke low 2 by name" in admin.see("/admin/users/carl")
    token = users.create_token(database, find(database, "carl"), "ci")
    admin.post("/admin/users/carl/disable")
    assert users.find_by_token(database, token) is None
    admin.post("/admin/users/carl/enable")
    assert users.find_by_token(database, token) is not None
    admin.post("/admin/users/carl/token", token=tokens.id_of(token))
    assert users.find_by_token(database, token) is None


def test_who_is_not_there(admin: Person) -> None:
    for name in ("nobody", "a%00b", "%3Cscript%3E"):
        assert admin.get(f"/admin/users/{name}").status_code == 404
        assert admin.post(f"/admin/users/{name}/disable").status_code == 404


def test_plans(admin: Person, database: Database, acts: Acts) -> None:
    assert "No plans" in admin.see("/admin/plans")
    added = {"name": "gold", "workers": "high:2 low", "rule": "weighted", "unfinished": "7", "requests": ""}
    assert admin.post("/admin/new-plan", **added).status_code == 303
    assert admin.post("/admin/new-plan", **added).status_code == 422
    acts.set_plan("bob", "gold")
    assert "gold high:2, low weighted 7" in admin.see("/admin/plans")
    page = admin.get("/admin/plans/gold").text
    assert 'value="high:2 low"' in page
    wrong = admin.post("/admin/plans/gold", workers="high low", requests="x")
    assert (wrong.status_code, "A quota of requests is" in words(wrong)) == (422, True)
    assert 'value="high low"' in wrong.text  # what was typed
    kept = admin.post("/admin/plans/gold/remove")
    assert (kept.status_code, "There are users with the plan gold" in words(kept)) == (422, True)
    assert 'value="high:2 low"' in kept.text
    assert admin.post("/admin/plans/gold", workers="low").status_code == 303
    plan = grants.find_plan(database, "gold")
    assert plan == grants.Plan("gold", None, grants.Quota(), {"low": 1})
    acts.set_plan("bob", None)
    admin.post("/admin/plans/gold/remove")
    assert grants.plans(database) == []
    assert admin.get("/admin/plans/gold").status_code == 404
    assert "A plan's name is" in words(admin.post("/admin/new-plan", name="<b>"))


def test_the_audit_log(person: Callable[[str], Person], database: Database, acts: Acts) -> None:
    viewer = person("viewer")
    acts.grant("bob", ["low:3", "high"])
    acts.set_quota("bob", {"unfinished": 7})
    Acts(database, "<script>").create_token("ann", "ci", ["read", "write"], None)
    assert "user.grant bob workers low:3 high cli:operator" in viewer.see("/admin/audit")
    assert "token.create ann name ci scopes read, write" in viewer.see("/admin/audit")
    assert "&lt;script&gt;" in viewer.get("/admin/audit").text
    assert "token.create" not in viewer.see("/admin/audit?subject=bob")
    assert "user.quota" not in viewer.see("/admin/audit?actor=%3Cscript%3E")
    assert "Nothing fits" in viewer.see("/admin/audit?actor=nobody%00")


def test_pages_of_the_audit_log(person: Callable[[str], Person], database: Database) -> None:
    viewer = person("viewer")
    with database.write():
        for n in range(110):
            audit.note(database, "test", f"act.{n:03}", "many")
    path, seen = "/admin/audit?subject=many", []
    while path:
        page = Page(viewer.get(path).text)
        seen += [word for word in page.text.split() if word.startswith("act.")]
        path = next((link for link in page.links if "before=" in link), "")
    assert seen == [f"act.{n:03}" for n in reversed(range(110))]
    assert viewer.get("/admin/audit?before=x").status_code == 400


@pytest.mark.parametrize("odd", ODD)
def test_what_no_browser_sends_breaks_nothing(admin: Person, odd: str) -> None:
    sent = quote(odd, safe="", errors="surrogatepass")
    for query in ("users?text", "users?after", "audit?subject", "audit?actor", "audit?before"):
        assert admin.get(f"/admin/{query}={sent}").status_code in (200, 400), query
