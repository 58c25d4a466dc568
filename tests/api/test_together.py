"""Several gunicorn processes keep one count of what a user asks for, and of guesses at his password."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redisq_api import users
from redisq_api.acts import Acts
from redisq_api.database import Database

from tests.api.conftest import PASSWORDS, basic, find
from tests.api.test_service import Service
from tests.waiting import wait_until

TASK = "/api/v1/task"


@pytest.fixture
def service(database: Database, database_url: str, dead_url: str, tmp_path: Path) -> Iterator[Service]:
    """Three processes."""
    service = Service(tmp_path / "log", database_url, dead_url, workers=3)
    try:
        wait_until(service.answers, timeout=60.0, message="gunicorn answers")
        yield service
    finally:
        service.stop()


def call(service: Service, authorization: str, body: object = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        if body is None:
            connection.request("GET", TASK, headers=headers)
        else:
            connection.request("POST", TASK, json.dumps(body), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_what_is_counted_is_counted_once_for_all(service: Service, database: Database) -> None:
    acts = Acts(database, "test")
    tokens = {name: f"Bearer {users.create_token(database, find(database, name))}" for name in ("ann", "bob")}
    with ThreadPoolExecutor(12) as pool:

        def codes(count: int, name: str, body: object = None) -> Counter[int]:
            return Counter(pool.map(lambda _: call(service, tokens[name], body), range(count)))

        acts.set_quota("ann", {"unfinished": 20})
        assert codes(24, "ann", {"input_param": ["x"] * 3}) == {202: 6, 429: 18}
        acts.set_quota("bob", {"requests": 15, "seconds": 360_000})
        assert codes(36, "bob") == {200: 15, 429: 21}
        guesses = [basic("ann", f"guess {n}") for n in range(36)]
        seen = Counter(pool.map(lambda guess: call(service, guess), guesses))
    # What is checked in the same moment passes, by 3 processes with 4 threads each, and time earns one or two.
    assert 10 <= seen[401] < 10 + 12 + 5
    assert seen[401] + seen[429] == 36
    assert call(service, tokens["ann"]) == 200
    assert call(service, basic("bob", PASSWORDS["bob"])) == 429, "his requests are used up, but he is let in"
    assert database.one("SELECT count(*) FROM task") == (18,)
