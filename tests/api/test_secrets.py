"""Passwords and tokens are in no log, whatever happens to the request that brings them."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from redisq_api import cli, users
from redisq_api.database import Database

from tests.api.conftest import Client, basic
from tests.api.test_service import Service
from tests.waiting import wait_until

PASSWORD = "correct horse battery"
TASK = "/api/v1/task"


def headers(token: str) -> list[str]:
    """What somebody might send, in the right place or a wrong one."""
    return [f"Bearer {token}", f"Basic {token}", token, basic("ann", PASSWORD), basic(PASSWORD, ""), f"Digest {token}"]


def marks(token: str) -> list[str]:
    """All that must not be found."""
    return [PASSWORD, token, basic("ann", PASSWORD).partition(" ")[2], basic(PASSWORD, "").partition(" ")[2]]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every list of tasks fail."""

    def fail(*arguments: object) -> None:
        raise RuntimeError("broken")

    return lambda: monkeypatch.setattr("redisq_api.store.page", fail)


def test_nothing_of_a_request_is_logged(
    client: Client,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    broken: Callable[[], None],
    away: Callable[[], AbstractContextManager[None]],
) -> None:
    caplog.set_level(logging.DEBUG)
    ann = users.find(database, "ann")
    assert ann is not None
    token = users.create_token(database, ann)
    broken()
    answers = [client("GET", TASK, headers={"Authorization": header}) for header in headers(token)]
    assert [answer.status_code for answer in answers] == [500, 401, 401, 401, 401, 401]
    with away():
        answers += [client("GET", TASK, headers={"Authorization": header}) for header in headers(token)]
    assert {answer.status_code for answer in answers} == {500, 401, 503}
    seen = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert "request.failed" in seen
    assert "database.unavailable" in seen
    assert [mark for mark in marks(token) if mark in seen] == []


def test_nothing_of_a_request_is_in_the_log_of_a_server(
    database: Database, database_url: str, dead_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add(database, "test", PASSWORD, ["default"])
    user = users.find(database, "test")
    assert user is not None
    token = users.create_token(database, user)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--log-level debug --access-logfile -")
    service = Service(tmp_path / "log", database_url, dead_url, workers=1)
    try:
        wait_until(service.answers, timeout=60.0, message="gunicorn answers")
        # A server that is asked to writes names into its access log, also what somebody typed in the place of one.
        for header in [header for header in headers(token) if header != basic(PASSWORD, "")]:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            connection.request("GET", TASK, headers={"Authorization": header})
            assert connection.getresponse().status in (200, 401)
            connection.close()
    finally:
        service.stop()
    assert f"GET {TASK}" in service.log()
    assert [mark for mark in marks(token) if mark in service.log()] == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:1/db",
        "postgresql://u:hunter2@127.0.0.1:port/db",
        "postgresql://u:hunter2@127.0.0.1:1/db?nonsense=1",
        "postgresql://u:hunter2@[127.0.0.1:1/db",
        "mysql://u:hunter2@h/db",
        "sqlite://u:hunter2@h/db",
    ],
)
@pytest.mark.parametrize("command", [["init-db"], ["user", "list"]])
def test_the_password_of_the_database_is_not_told(
    url: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDISQ_DATABASE", url)
    assert cli.main(command) == 1
    out, err = capsys.readouterr()
    assert err.startswith("redisq-api: ")
    assert err.count("\n") == 1
    assert "hunter2" not in out + err
