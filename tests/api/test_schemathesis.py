"""The served document against the service, by Schemathesis: every check it has, through gunicorn, no failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redisq_api import users
from redisq_api.database import Database

from tests.api.conftest import find
from tests.api.test_service import Service, start
from tests.waiting import wait_until

__all__ = ["start"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMMAND = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]


# Some thousand requests: 15 seconds on two idle cores, and more on busy ones.
@pytest.mark.timeout(400)
def test_no_check_fails(
    start: Callable[..., Service], database: Database, database_kind: str, redis_url: str, tmp_path: Path
) -> None:
    token = users.create_token(database, find(database, "ann"))
    # Nobody waits here: no worker runs, and each would take its half minute.
    app = {"REDISQ_APP": "tests.api.lenient:app", "PYTHONPATH": str(ROOT), "REDISQ_API_WAITERS": "0"}
    # Any address may be told: which ones are private, no schema can say.
    app["REDISQ_API_WEBHOOK_ALLOW"] = "0.0.0.0/0"
    service = start(redis_url, workers=1, **app)
    wait_until(service.answers, timeout=30.0, message="gunicorn answers")
    # What the document says is the same on both databases; the second has to show that it answers as the first does.
    options = [] if database_kind == "sqlite" else ["--max-examples", "2"]
    done = subprocess.run(
        [*COMMAND, f"{service.url}/openapi.json", "--header", f"Authorization: Bearer {token}", *options],
        cwd=tmp_path, env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.api.keys", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr + service.log()
    assert re.search(r"Tested: [0-9]{2}", done.stdout), done.stdout
