"""The default task answers for any JSON, and a worker that runs it loads nothing of the service."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import pytest
from redisq_api.tasks import app, describe


def test_a_string_is_described_as_it_is() -> None:
    told = describe("naïve text\nof two lines")
    data = "naïve text\nof two lines".encode()
    assert told == {
        "characters": 23,
        "bytes": 24,
        "words": 5,
        "lines": 2,
        "md5": hashlib.md5(data).hexdigest(),
        "sha1": hashlib.sha1(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@pytest.mark.parametrize("value", [None, 0, 1.5, True, [], {}, ["é", {"a": None}], 10**30, "\udc00"])
def test_anything_else_as_its_json(value: Any) -> None:
    assert describe(value)["bytes"] > 0


def test_it_is_registered_under_its_name() -> None:
    assert list(app.tasks) == ["describe"]


def test_a_worker_loads_neither_web_framework_nor_database() -> None:
    heavy = ("falcon", "peewee", "jinja2", "argon2")
    code = f"import sys, redisq_api.tasks; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
