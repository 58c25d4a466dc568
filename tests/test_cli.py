"""The flags of redisq-worker: what is wrong with them, or with the app they name, is said in one line."""

from __future__ import annotations

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
        ("--queues", "a:6,b"),
        ("--queues", "a:0"),
        ("--queues", "a:1001"),
        ("--queues", "a:1,a:2"),
        ("--queues", "a" * 65),
        ("--processes", "0"),
        ("--processes", "-1"),
        ("--processes", "many"),
        ("--threads", "0"),
        ("--threads", "1001"),
        ("--concurrency", "-1"),
        ("--concurrency", "all"),
        ("--lease", "0"),
        ("--lease", "nan"),
        ("--lease", "inf"),
        ("--grace", "-1"),
        ("--grace", "soon"),
        ("--max-jobs", "0"),
        ("--max-jobs", "9" * 5000),
        ("--max-memory", "1G"),
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
