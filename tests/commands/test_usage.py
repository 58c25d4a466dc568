"""What is typed wrongly is told in a line, with 2; what cannot be done, with 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from redisq import admin
from tests.commands.conftest import Call
from tests.servers import free_port

HERE = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "inf",
        "info a.b",
        "info --namespace {}",
        "workers --queue ''",
        "jobs --status done",
        "jobs --limit -1",
        "jobs --limit ٣",
        "jobs --limit 9999999999999",
        "jobs --queue a b",
        "job",
        "job nodot",
        "job q.",
        "job .a",
        "job q.a q.b",
        "enqueue",
        "enqueue t text",
        "enqueue t [1",
        "enqueue t NaN",
        "enqueue t --kwargs [1]",
        "enqueue t --kwargs {",
        "enqueue t --queue q.r",
        "enqueue t --delay -1",
        "enqueue t --delay nan",
        "enqueue t --delay soon",
        "enqueue t --wait inf",
        "enqueue t --job-id a/b",
        "retry",
        "retry --queue q",
        "retry nodot",
        "retry q.a --all",
        "retry q.a --task t",
        "cancel",
        "cancel --all",
        "cancel q.a --all --queue q",
        "cancel q.a --queue q",
        "cancel q.a --yes",
        "cancel nodot",
        "purge",
        "purge a b",
        "purge {}",
        "pause",
        "resume",
        "pause q a.b",
        "doctor --queues a,,b",
        "top --interval 0",
        "top --interval nan",
        "top --json",
        "cron",
        "cron pause",
        "cron pause morning --queue a.b",
        "top a.b --once",
        "completion",
        "completion tcsh",
    ],
)
def test_wrong_usage(call: Call, line: str) -> None:
    done = call(*(word.strip("'") for word in line.split()))
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[-1].startswith("redisq")


@pytest.mark.parametrize("argument", ["\x1b[31m", "a\nb", "\x07", "\udcff"])
@pytest.mark.parametrize("words", [("info",), ("job",), ("enqueue", "t"), ("enqueue",), ("jobs", "--limit")])
def test_what_was_typed_is_not_obeyed_when_it_is_told(call: Call, words: tuple[str, ...], argument: str) -> None:
    assert call(*words, argument).code == 2


@pytest.mark.parametrize(
    "line",
    [
        "info",
        "workers",
        "jobs",
        "job q.a",
        "enqueue t",
        "retry q.a",
        "retry --all",
        "cancel q.a",
        "cancel --all --queue q --yes",
        "purge q --yes",
        "pause q",
        "resume q",
        "doctor",
        "cron list",
        "top --once",
    ],
)
def test_a_server_that_is_away_is_one_line(call: Call, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr("redisq.commands.shared.open_app.__defaults__", (0.0,))
    done = call(*line.split(), "--url", f"redis://:hunter2@127.0.0.1:{free_port()}")
    assert done.code == 1
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert "hunter2" not in done.err


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_asking_is_no_failure(call: Call, flag: str) -> None:
    done = call(flag)
    assert done.code == 0
    assert "redisq" in done.out


def test_every_command_tells_of_itself(call: Call) -> None:
    (action,) = (a for a in admin._parser()._actions if isinstance(a.choices, dict))
    assert set(action.choices) >= {"info", "workers", "top", "jobs", "job", "enqueue", "retry", "cancel", "purge"}
    for name, parser in action.choices.items():
        done = call(name, "--help")
        assert done.code == 0
        assert parser.description, name
        assert f"usage: redisq {name}" in done.out


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`redisq` where a module is not installed."""
    code = f"import sys; sys.modules[{module!r}] = None\nfrom redisq.admin import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=HERE)


@pytest.mark.parametrize(
    ("module", "line"), [("rich", "top --once"), ("shtab", "completion bash"), ("shtab", "completion fish")]
)
def test_what_is_not_installed_is_told_in_a_line(module: str, line: str) -> None:
    done = without(module, *line.split())
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"redisq: {line.split()[0]} needs {module}: pip install 'redisq-jobs[cli]'\n"


@pytest.mark.parametrize("line", ["info", "workers", "jobs", "enqueue t", "retry --all", "purge q --yes", "doctor"])
def test_all_else_works_without_rich(redis_url: str, line: str) -> None:
    done = without("rich", *line.split(), "--url", redis_url)
    assert (done.returncode, done.stderr) == (0, "")


def test_who_reads_may_have_enough(redis_url: str) -> None:
    environment = os.environ | {"REDISQ_URL": redis_url}
    for _ in range(3):
        admin.main(["enqueue", "t", "--url", redis_url])
    jobs = subprocess.Popen(
        [sys.executable, "-m", "redisq.admin", "jobs", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=HERE,
    )
    assert jobs.stdout
    assert jobs.stderr
    with jobs:
        jobs.stdout.close()
        assert jobs.stderr.read() == b""
    assert jobs.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_is_no_failure(redis_url: str, encoding: str) -> None:
    admin.main(["enqueue", "größe-漢字", "--url", redis_url])
    done = subprocess.run(
        [sys.executable, "-m", "redisq.admin", "jobs", "--url", redis_url],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        cwd=HERE,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u6f22" in done.stdout
