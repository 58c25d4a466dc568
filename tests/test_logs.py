"""What a command logs as JSON: one object a line, whoever logs and whatever it says."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import redisq
from redisq.logs import JSONFormatter


def test_a_line_of_the_log_is_one_object() -> None:
    record = logging.LogRecord("redisq.x", logging.INFO, "f", 1, "job.failed id=%s ms=%d", ("q.a\nb", 3), None)
    record.exc_info = (ValueError, ValueError("line\nline"), None)
    line = JSONFormatter().format(record)
    assert "\n" not in line
    seen = json.loads(line)
    assert (seen["event"], seen["level"], seen["logger"], seen["ms"]) == ("job.failed", "info", "redisq.x", "3")
    assert "ValueError" in seen["traceback"]


def test_what_a_job_writes_cannot_forge_a_field_of_the_log() -> None:
    record = logging.LogRecord("redisq.x", logging.INFO, "f", 1, "job.failed id=q.a level=critical ts=1", (), None)
    seen = json.loads(JSONFormatter().format(record))
    assert seen["level"] == "info"
    assert seen["ts"] != "1"


def test_an_error_in_the_log_keeps_all_its_words() -> None:
    text = "server.away url=redis://h:1/0 error=Error 111: refused, a=b"
    seen = json.loads(JSONFormatter().format(logging.LogRecord("redisq.x", logging.INFO, "f", 1, text, (), None)))
    assert (seen["url"], seen["error"]) == ("redis://h:1/0", "Error 111: refused, a=b")


def test_the_colon_after_a_value_in_the_log_is_not_of_it() -> None:
    text = "job.timeout id=q.a limit=0.5s: killing worker=w"
    seen = json.loads(JSONFormatter().format(logging.LogRecord("redisq.x", logging.INFO, "f", 1, text, (), None)))
    assert (seen["id"], seen["limit"], seen["worker"]) == ("q.a", "0.5s", "w")


@pytest.mark.parametrize("text", ["GET http://h/?level=a&b=c", "a=b\nts=1 c=d", "job.failed id=q.a level=critical", ""])
def test_what_others_log_has_no_fields_of_ours(text: str) -> None:
    line = JSONFormatter().format(logging.LogRecord("urllib3.pool", logging.INFO, "f", 1, text, (), None))
    assert len(line.splitlines()) == 1
    seen = json.loads(line)
    assert set(seen) == {"ts", "level", "logger", "pid", "event", "message"}
    assert (seen["event"], seen["message"], seen["pid"]) == ("log", text, os.getpid())


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\r\nb", "\x00\x1b[31m", "\ud83d", "ä\N{GRINNING FACE}"])
def test_whatever_a_message_holds_it_stays_one_line_of_ascii(text: str) -> None:
    line = JSONFormatter().format(logging.LogRecord("redisq.x", logging.INFO, "f", 1, f"e error={text}", (), None))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["error"] == text


def test_arguments_that_do_not_fit_are_still_logged() -> None:
    seen = json.loads(JSONFormatter().format(logging.LogRecord("x", logging.INFO, "f", 1, "n=%d", ("many",), None)))
    assert "'n=%d' % ('many',)" in seen["message"]


def test_a_traceback_cannot_be_forged() -> None:
    record = logging.LogRecord("redisq.x", logging.INFO, "f", 1, "e traceback=x stack=y pid=1 message=z", (), None)
    seen = json.loads(JSONFormatter().format(record))
    assert not {"traceback", "stack"} & set(seen)
    assert seen["pid"] == os.getpid()
    assert seen["message"] == "e traceback=x stack=y pid=1 message=z"


NOISE = """
import logging, sys, threading, time, warnings
import redisq

app = redisq.RedisQ()

def fall():
    raise ValueError("in a thread\\nof two lines")

@app.task("noise", max_attempts=1)
def noise():
    logging.getLogger("shop").warning("a=b\\nlevel=critical")
    logging.getLogger("shop").warning("%d", "x")
    logging.getLogger().info("root", stack_info=True)
    warnings.warn("old\\nold")
    thread = threading.Thread(target=fall, name="t 1")
    thread.start()
    thread.join()
    raise KeyError("x\\ny")
"""


def test_each_line_of_a_worker_is_an_object(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISE)
    redisq.RedisQ(redis_url).queue("noise").enqueue("noise")
    command = [sys.executable, "-m", "redisq.cli", "--queues", "noise", "--app", "noisy:app", "--burst"]
    environ = os.environ | {"REDISQ_URL": redis_url, "PYTHONPATH": str(tmp_path)}
    command += ["--log-format", "json", "--log-level", "debug"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"ts", "level", "logger", "pid", "event", "message"} <= set(line) for line in lines)
    assert {"worker.started", "job.failed", "thread.failed", "worker.stopped", "log"} <= {
        line["event"] for line in lines
    }
    assert {line["logger"] for line in lines} >= {"shop", "root", "py.warnings", "redisq.worker.runner"}
    assert len({line["pid"] for line in lines}) == 2
    assert [line["level"] for line in lines if line["logger"] == "shop"] == ["warning", "warning"]
    (failed,) = [line for line in lines if line["event"] == "job.failed" and "traceback" in line]
    assert "KeyError" in failed["traceback"]
    assert (failed["task"], failed["attempt"]) == ("noise", "1")


def test_an_app_that_cannot_be_found_is_one_object(redis_url: str) -> None:
    command = [sys.executable, "-m", "redisq.cli", "--queues", "q", "--app", "nothing:app", "--log-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "worker.failed"
