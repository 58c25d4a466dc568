"""`redisq-api` as an administrator meets it: what it prints, and how it exits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from redisq_api import passwords, users
from redisq_api.database import Database

from tests.api.conftest import Client, queue_app
from tests.waiting import wait_until

COMMAND = [sys.executable, "-c", "import sys; from redisq_api.cli import main; sys.exit(main())"]


def run(database_url: str, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"REDISQ_DATABASE": database_url} | environ
    return subprocess.run([*COMMAND, *arguments], env=environ, input=stdin, capture_output=True, text=True, timeout=60)


def test_a_database_is_set_up_and_a_user_and_a_token_made(database_url: str, dead_url: str) -> None:
    assert "applied" in run(database_url, "init-db").stdout
    assert "up to date" in run(database_url, "init-db").stdout
    added = run(database_url, "user", "add", "eve", "--password-stdin", "--workers", "high, low", stdin="a b\n")
    assert (added.returncode, added.stderr) == (0, "")
    token = run(database_url, "token", "create", "eve")
    assert (token.returncode, token.stderr) == (0, "")
    with closing(Database(database_url)) as database:
        eve = users.find_by_token(database, token.stdout.removesuffix("\n"))
        assert eve is not None
        assert (eve.name, eve.admin, users.queues(database, eve)) == ("eve", False, ["high", "low"])
    assert passwords.matches(eve.password, "a b")


def test_an_administrator(database: Database, database_url: str) -> None:
    run(database_url, "user", "add", "root", "--password-stdin", "--workers", "default", "--admin", stdin="x")
    root = users.find(database, "root")
    assert root is not None
    assert root.admin


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["user", "add", "ann", "--password-stdin", "--workers", "default"], "there is a user ann already"),
        (["user", "add", "a:b", "--password-stdin", "--workers", "default"], "a user's name is"),
        (["user", "add", "eve", "--password-stdin", "--workers", ","], "needs at least one worker"),
        (["user", "add", "eve", "--password-stdin", "--workers", "a b"], "a queue's name is"),
        (["user", "add", "eve", "--workers", "a"], "pass --password-stdin"),
        (["token", "create", "nobody"], "there is no user nobody"),
    ],
)
def test_mistakes_are_said_in_one_line(database: Database, database_url: str, arguments: list[str], said: str) -> None:
    done = run(database_url, *arguments, stdin="x\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("redisq-api: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["user"], ["user", "add", "eve"], ["token", "create"], ["relay", "x"]]
)
def test_wrong_usage(database_url: str, arguments: list[str]) -> None:
    done = run(database_url, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "has no schema yet: run `redisq-api init-db`"),
        ({"REDISQ_DATABASE": "mysql://x"}, "REDISQ_DATABASE must begin with sqlite:/// or postgresql://"),
        ({"REDISQ_API_BACKLOG": "x"}, "REDISQ_API_BACKLOG must be a whole number"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(database_url: str, environ: dict[str, str], said: str) -> None:
    done = run(database_url, "relay", **environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def start_relay(database_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a relay on a Redis."""
    relays: list[subprocess.Popen[str]] = []

    def start(url: str) -> subprocess.Popen[str]:
        environ = os.environ | {"REDISQ_DATABASE": database_url, "REDISQ_URL": url}
        relays.append(subprocess.Popen([*COMMAND, "relay"], env=environ, stderr=subprocess.PIPE, text=True))
        return relays[-1]

    yield start
    for relay in relays:
        relay.kill()
        relay.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_several_relays_work_and_stop_when_told(
    make_client: Callable[..., Client],
    redis_url: str,
    dead_url: str,
    start_relay: Callable[[str], subprocess.Popen[str]],
    number: signal.Signals,
) -> None:
    blind, client = make_client("ann", dead_url), make_client("ann", redis_url)
    tasks = blind.json({"input_param": [str(n) for n in range(20)], "queue": "default"}).json
    relays = [start_relay(redis_url) for _ in range(2)]
    assert ["relay.started" in (relay.stderr or sys.stdin).readline() for relay in relays] == [True, True]
    queue = queue_app(redis_url).queue("default")
    for _ in tasks:
        delivery = queue.claim(timeout=20.0)
        assert delivery is not None
        assert delivery.job.args is not None
        delivery.ack(delivery.job.args[0])
    wait_until(lambda: len(_finished(client, tasks)) == 20, timeout=30.0)
    for relay in relays:
        relay.send_signal(number)
    assert [relay.wait(timeout=20) for relay in relays] == [0, 0]
    results = {task["input_param"]: task["result"] for task in _finished(client, tasks)}
    assert results == {str(n): str(n) for n in range(20)}


def test_a_database_that_is_away_is_said_in_one_line() -> None:
    done = run("sqlite:////nowhere/at/all/x", "token", "create", "ann")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "redisq-api: the database cannot be used: unable to open database file\n"


def test_a_relay_waits_for_redis_and_stops_all_the_same(
    database: Database, dead_url: str, start_relay: Callable[[str], subprocess.Popen[str]]
) -> None:
    relay = start_relay(dead_url)
    assert relay.stderr is not None
    assert "relay.started" in relay.stderr.readline()
    assert "relay.waiting" in relay.stderr.readline()
    relay.terminate()
    assert relay.wait(timeout=20) == 0
    assert "Traceback" not in relay.stderr.read()


def _finished(client: Client, tasks: list[Any]) -> list[Any]:
    seen = client("GET", "/api/v1/task?limit=100").json
    return [task for task in seen if task["status"] == "succeeded"]
