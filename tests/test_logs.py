"""What a command logs as JSON: one object a line, whoever logs and whatever it says."""

from __future__ import annotations

import json
import logging

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
