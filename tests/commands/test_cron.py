"""redisq cron, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from redisq import RedisQ
from redisq.admin import main
from tests.invariants import checked_app

Output = pytest.CaptureFixture[str]


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        task = app.task(name="shop.report")(print)
        app.cron("0 9 * * mon-fri", task, name="morning", tz="Europe/Berlin", args=[7])
        app.every(60, task, name="beat", queue="low")
        app.every(60, task, name="beat2", queue="high")
        for entry in app.crons.values():
            app.settings.server.ask([("SADD", "redisq:queues", entry.queue), entry.declaring(app.settings)])
        yield app


def run(app: RedisQ, *arguments: str) -> int:
    return main(["cron", *arguments, "--url", app.settings.server.url])


def test_list_shows_what_workers_have_declared(app: RedisQ, capsys: Output) -> None:
    assert run(app, "list") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "QUEUE", "TASK", "SCHEDULE", "LAST", "NEXT", "STATE"]
    assert [row.split()[0] for row in rows] == ["morning", "beat2", "beat"]
    assert "0 9 * * mon-fri Europe/Berlin" in rows[0]
    assert run(app, "list", "--json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[0]["name"] == "morning"
    assert records[0]["last"] is None
    assert records[0]["next"].endswith(":00:00Z")


def test_without_entries_it_says_so(redis_url: str, capsys: Output) -> None:
    assert main(["cron", "list", "--url", redis_url]) == 0
    assert capsys.readouterr().out.startswith("no entries")


def test_pause_resume_run_and_forget(app: RedisQ, capsys: Output) -> None:
    assert run(app, "pause", "morning") == 0
    assert run(app, "list") == 0
    assert run(app, "run", "morning") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "morning: paused"
    assert lines[2].endswith("paused")
    job = app.job(lines[-1])
    assert (job.task, job.args, job.status) == ("shop.report", [7], "queued")
    assert run(app, "resume", "morning", "--json") == 0
    assert json.loads(capsys.readouterr().out)["paused"] is False
    assert run(app, "forget", "morning") == 0
    assert capsys.readouterr().out == "morning: forgotten\n"
    assert app.timetable("default").entries() == []


def test_what_is_not_there_is_an_error_in_one_line(app: RedisQ, capsys: Output) -> None:
    assert run(app, "pause", "evening") == 1
    assert run(app, "pause", "morning", "--queue", "low") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("redisq: ") for line in errors)


def test_one_name_in_several_queues_asks_for_the_queue(app: RedisQ, capsys: Output) -> None:
    other = RedisQ(app.settings.server.url)
    other.every(60, other.task(name="t")(print), name="beat", queue="high")
    app.settings.server.ask([other.crons["beat"].declaring(app.settings)])
    assert run(app, "pause", "beat") == 1
    assert "--queue (high, low)" in capsys.readouterr().err
    assert run(app, "pause", "beat", "--queue", "low") == 0
    assert app.timetable("low").find("beat").paused
    assert not app.timetable("high").find("beat").paused
    other.close()
