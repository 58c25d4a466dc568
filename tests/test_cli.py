"""The flags of redisq-worker: what is wrong with them, or with the app they name, is said in one line."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from redisq import cli

USUAL = ["--queues", "default", "--app", "tests.system.tasks:app"]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says when it exits with 1."""
    assert cli.main(["--queues", "default", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 1
    return said.err


@pytest.mark.parametrize(
    "spec",
    [
        "tests.system.nothing:app",
        "nothing_of_that_name:app",
        "tests.system.tasks:nothing",
        "tests.system.tasks:not_an_app",
        "tests.system.tasks:echo",
        "tests.system.tasks:app.nothing",
        "tests.system.tasks",
        ":app",
        "tests.system.tasks:",
        "..:app",
        "a b:c",
    ],
)
def test_an_app_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str], spec: str) -> None:
    assert spec in fails(capsys, "--app", spec)


@pytest.mark.parametrize(
    "code",
    ["1 / 0", "import nothing_of_that_name", "def", "import sys; sys.exit(5)", "app = 5", "raise Exception", "\0"],
)
def test_an_app_that_cannot_be_imported_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "broken_app.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert "broken_app" in fails(capsys, "--app", "broken_app:app")
    sys.modules.pop("broken_app", None)


def test_the_environment_names_the_app_and_the_flag_goes_over_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDISQ_APP", "from_environment:app")
    assert "from_environment" in fails(capsys)
    assert "from_flag" in fails(capsys, "--app", "from_flag:app")


@pytest.mark.parametrize("url", ["nonsense", "http://h", "redis://h:port", "redis://:hunter2@h:port"])
def test_a_wrong_url_is_one_clear_line(capsys: pytest.CaptureFixture[str], url: str) -> None:
    said = fails(capsys, "--app", "tests.system.tasks:app", "--url", url)
    assert "URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--queues", ""),
        ("--queues", "a,,b"),
        ("--queues", "a b"),
        ("--queues", "{a}"),
        ("--queues", "a,a"),
        ("--queues", "a:x"),
        ("--queues", "a" * 65),
        ("--processes", "0"),
        ("--processes", "-1"),
        ("--processes", "many"),
        ("--lease", "0"),
        ("--lease", "nan"),
        ("--lease", "inf"),
        ("--grace", "-1"),
        ("--grace", "soon"),
        ("--log-format", "xml"),
        ("--nonsense",),
        ("stray",),
        ("--que", "a"),
    ],
)
def test_wrong_usage_is_told_and_is_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*USUAL, *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_queues_have_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--app", "tests.system.tasks:app"])
    assert caught.value.code == 2
    assert "--queues" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_asking_is_no_failure(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([flag])
    assert caught.value.code == 0
    assert "redisq" in capsys.readouterr().out


def test_a_line_of_the_log_is_one_object() -> None:
    record = logging.LogRecord("redisq.x", logging.INFO, "f", 1, "job.failed id=%s ms=%d", ("q.a\nb", 3), None)
    record.exc_info = (ValueError, ValueError("line\nline"), None)
    line = cli.JSONFormatter().format(record)
    assert "\n" not in line
    seen = json.loads(line)
    assert (seen["event"], seen["level"], seen["logger"], seen["ms"]) == ("job.failed", "info", "redisq.x", "3")
    assert "ValueError" in seen["traceback"]


def test_what_a_job_writes_cannot_forge_a_field_of_the_log() -> None:
    record = logging.LogRecord("redisq.x", logging.INFO, "f", 1, "job.failed id=q.a level=critical ts=1", (), None)
    seen = json.loads(cli.JSONFormatter().format(record))
    assert seen["level"] == "info"
    assert seen["ts"] != "1"


def test_an_error_in_the_log_keeps_all_its_words() -> None:
    text = "server.away url=redis://h:1/0 error=Error 111: refused, a=b"
    seen = json.loads(cli.JSONFormatter().format(logging.LogRecord("redisq.x", logging.INFO, "f", 1, text, (), None)))
    assert (seen["url"], seen["error"]) == ("redis://h:1/0", "Error 111: refused, a=b")


def test_the_colon_after_a_value_in_the_log_is_not_of_it() -> None:
    text = "job.timeout id=q.a limit=0.5s: killing worker=w"
    seen = json.loads(cli.JSONFormatter().format(logging.LogRecord("redisq.x", logging.INFO, "f", 1, text, (), None)))
    assert (seen["id"], seen["limit"], seen["worker"]) == ("q.a", "0.5s", "w")
