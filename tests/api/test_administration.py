"""`redisq-api user`, `token`, `plan` and `audit`: sentences for people, JSON for programs, one line for a mistake."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from redisq_api import cli, clock, passwords, users
from redisq_api.database import Database

from tests.api.conftest import find


class Said:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        assert (self.code, self.err) == (0, "")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Run = Callable[..., Said]



@pytest.fixture
def run(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `redisq-api` on the test's database, as the user `operator`."""
    monkeypatch.setenv("REDISQ_DATABASE", database_url)
    monkeypatch.setenv("SUDO_USER", "operator")

    def run(line: str, stdin: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = cli.main(line.split())
        except SystemExit as stopped:
            code = int(str(stopped.code))
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


def test_a_user_from_the_beginning_to_the_end(run: Run, database: Database) -> None:
    added = run("user add eve --password-stdin --workers high:6,low", "a b\n")
    assert (added.code, added.out, added.err) == (0, "added user eve with workers on high:6,low\n", "")
    assert run("user grant eve low:2,default").out == "eve has workers on default,high:6,low:2\n"
    assert run("user revoke eve default").out == "eve has workers on high:6,low:2\n"
    assert run("user rule eve least-loaded").out == "the rule of eve is least-loaded\n"
    assert run("user rule eve default").out == "the rule of eve is random\n"
    assert run("user quota eve --unfinished 100 --requests 600/60").out == (
        "the quota of eve is 100 unfinished, 600/60 requests\n"
    )
    assert run("user quota eve --unfinished none --requests default").out == "the quota of eve is any unfinished\n"
    assert run("user password eve --password-stdin", "c d\r\n").out == "eve has another password\n"
    assert passwords.matches(find(database, "eve").password, "c d")
    assert run("user disable eve").out == "eve is disabled\n"
    assert find(database, "eve").disabled
    assert run("user enable eve").out == "eve is enabled\n"
    shown = run("user show eve")
    assert shown.out == (
        "name: eve\nrole: user\ndisabled: no\nplan: -\nworkers: high:6,low:2\nrule: random\nquota: any unfinished\n"
    )


def test_the_same_as_json(run: Run) -> None:
    quota = {"unfinished": None, "requests": None, "seconds": None}
    eve = {
        "name": "eve", "role": "admin", "admin": True, "disabled": False, "plan": None, "workers": {"high": 1},
        "rule": None, "quota": quota,
    }  # fmt: skip
    assert run("user add eve --password-stdin --workers high --admin --json", "x\n").json == eve
    assert run("user show eve --json").json == eve
    assert run("user grant eve low:3 --json").json == eve | {"workers": {"high": 1, "low": 3}}
    assert run("user revoke eve low --json").json == eve
    assert run("user rule eve weighted --json").json == eve | {"rule": "weighted"}
    assert run("user rule eve default --json").json == eve
    assert run("user quota eve --requests 5/2 --json").json["quota"] == quota | {"requests": 5, "seconds": 2}
    assert run("user quota eve --requests default --json").json == eve
    assert run("user disable eve --json").json == eve | {"disabled": True}
    assert run("user enable eve --json").json == eve
    assert run("user password eve --password-stdin --json", "y\n").json == eve
    assert [user["name"] for user in run("user list --json").json] == ["ann", "bob", "eve"]


def test_a_plan_for_those_who_pay(run: Run) -> None:
    made = run("plan set paid --workers high:6,default --rule weighted --unfinished 1000 --requests 600/60")
    assert made.out == "the plan paid gives workers on high:6,default\n"
    assert run("plan set free --workers default --unfinished 10 --json").json == {
        "name": "free", "workers": {"default": 1}, "rule": None,
        "quota": {"unfinished": 10, "requests": None, "seconds": None},
    }  # fmt: skip
    assert run("user add eve --password-stdin --plan free", "x\n").out == "added user eve with workers on default\n"
    paying = run("user plan eve paid --json").json
    assert paying["workers"] == {"default": 1, "high": 6}
    assert (paying["plan"], paying["rule"]) == ("paid", "weighted")
    assert paying["quota"] == {"unfinished": 1000, "requests": 600, "seconds": 60}
    run("plan set paid --unfinished 2000")
    assert run("user show eve --json").json["quota"]["unfinished"] == 2000
    assert [plan["name"] for plan in run("plan list --json").json] == ["free", "paid"]
    refused = run("plan remove paid")
    assert (refused.code, "there are users with the plan paid" in refused.err) == (1, True)
    assert run("user plan eve none").out == "eve has the plan -\n"
    assert run("plan remove paid").out == "removed the plan paid\n"
    assert run("plan remove free --json").json == {"removed": "free"}


def test_a_token_is_printed_alone_and_once(run: Run, database: Database) -> None:
    made = run("token create ann")
    assert (made.code, made.err) == (0, "")
    token = made.out.removesuffix("\n")
    assert token.replace("-", "").replace("_", "").isalnum()
    user = users.find_by_token(database, token)
    assert user is not None
    assert (user.name, sorted(user.scopes)) == ("ann", ["read", "write"])
    before = clock.now()
    limited = run("token create ann --name ci --scopes read --expires-in 30d --json").json
    assert (limited["name"], limited["scopes"]) == ("ci", ["read"])
    assert limited["expires_at"] > str(clock.rfc3339(before + 29 * 86400 * clock.SECOND))
    first, second = run("token list ann --json").json
    assert (first["name"], second["name"], second["scopes"]) == (None, "ci", ["read"])
    assert second["expires_at"] == limited["expires_at"]
    assert first["used_at"] is not None
    assert second["used_at"] is None
    for shown in (run("token list").out, run("token list --json").out, run("audit --json").out):
        assert token not in shown
        assert limited["token"] not in shown
    assert run("token revoke ann ci").out == "revoked 1 of ann's tokens\n"
    assert run("token revoke ann --all --json").json == {"revoked": 1}
    assert users.find_by_token(database, token) is None


def test_the_log(run: Run) -> None:
    run("user add eve --password-stdin --workers high", "hunter2\n")
    run("user password eve --password-stdin", "hunter3\n")
    run("token create eve --name ci")
    run("user disable bob")
    entries = run("audit --json").json
    assert [(entry["act"], entry["subject"], entry["actor"]) for entry in entries] == [
        ("user.disable", "bob", "cli:operator"),
        ("token.create", "eve", "cli:operator"),
        ("user.password", "eve", "cli:operator"),
        ("user.add", "eve", "cli:operator"),
    ]
    assert entries[3]["detail"] == {"workers": {"high": 1}, "admin": False, "plan": None}
    assert [entry["subject"] for entry in run("audit --of eve --limit 2 --json").json] == ["eve", "eve"]
    text = run("audit").out
    assert text.splitlines()[0].split() == ["at", "actor", "act", "subject", "detail"]
    assert len(text.splitlines()) == 5
    assert "hunter" not in text + json.dumps(entries)


def test_tables_are_for_people(run: Run, database: Database) -> None:
    with database.write():
        database.run("INSERT INTO audit (at, actor, act, subject, detail) VALUES (1, 'x\x1b[31m\n', 'a', 's', '{}')")
    assert "x?[31m?" in run("audit").out
    lines = run("user list").out.splitlines()
    assert lines[0].split() == ["name", "role", "disabled", "plan", "workers", "rule", "quota"]
    assert lines[1].split() == ["ann", "user", "no", "-", "default,high", "random", "-"]
    assert run("plan list").out.split() == ["name", "workers", "rule", "quota"]
    assert run("token list").out.split()[:2] == ["id", "user"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("user show nobody", "there is no user nobody"),
        ("user disable nobody", "there is no user nobody"),
        ("user password nobody", "there is no user nobody"),
        ("user password ann", "pass --password-stdin"),
        ("user add eve --password-stdin --plan gold", "there is no plan gold"),
        ("user add eve --password-stdin --workers a:0", "a queue's name is"),
        ("user grant ann ,", "name a queue to grant"),
        ("user revoke ann low", "ann was given no worker on low"),
        ("user quota ann", "say what to limit"),
        ("user quota ann --unfinished -1", "--unfinished is a count, none, or default"),
        ("user quota ann --unfinished 99999999999999999999", "--unfinished is a count, none, or default"),
        ("user quota ann --requests 600", "a quota of requests is a count and seconds such as 600/60"),
        ("user plan ann gold", "there is no plan gold"),
        ("plan set none", "a plan's name is"),
        ("plan remove gold", "there is no plan gold"),
        ("token create ann --scopes all", "scopes are one or more of"),
        ("token create ann --scopes admin", "ann is no administrator"),
        ("token create ann --expires-in 30", "a time is a number and s, m, h or d"),
        ("token create ann --name a:b", "a token's name is"),
        ("token list nobody", "there is no user nobody"),
        ("token revoke ann ci", "ann has no token ci"),
    ],
)
def test_mistakes_are_said_in_one_line_and_change_nothing(run: Run, database: Database, line: str, said: str) -> None:
    for form in (line, f"{line} --json"):
        done = run(form, "x\n")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("redisq-api: ")
        assert said in done.err
        assert done.err.count("\n") == 1
    assert database.all("SELECT * FROM audit") == []


@pytest.mark.parametrize(
    "line",
    ["user", "token", "user add eve", "user show", "user rule ann", "user rule ann best", "user plan ann",
     "token revoke ann", "token revoke ann x --all", "audit --limit 0", "audit --limit x", "plan set",
     "user grant ann"],
)  # fmt: skip
def test_wrong_usage(run: Run, line: str) -> None:
    done = run(line)
    assert (done.code, done.out) == (2, "")
    assert "usage: redisq-api" in done.err
