"""What a request costs is counted: statements to the database, and round trips to Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
import redis
from redisq_api.relay import Relay

import redisq
from tests.api.conftest import Client
from tests.api.working import post, work

Cost = tuple[int, int]


@pytest.fixture
def client(make_client: Callable[..., Client], redis_url: str) -> Client:
    """Ann's client of a service whose Redis is there."""
    return make_client("ann", redis_url)


@pytest.fixture
def cost(client: Client, redis_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Cost]]:
    """Counts the statements and the round trips of a request: the least of some, as now and then one looks around."""
    post(client)  # by then, connections are open and scripts loaded
    server = redis.Redis.from_url(redis_url)

    def reads() -> int:
        return int(server.info("stats")["total_reads_processed"])

    def once(ask: Callable[[], object]) -> Cost:
        before = reads()
        with caplog.at_level(logging.DEBUG, "peewee"):
            caplog.clear()
            ask()
            statements = sum(record.name == "peewee" for record in caplog.records)
        return statements, reads() - before - 1

    with server:
        yield lambda *request, **options: min(once(lambda: client(*request, **options)) for _ in range(4))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("count", [1, 20])
def test_a_post(cost: Callable[..., Cost], count: int) -> None:
    """The user, his workers, who waits before him, the tasks, who of them is cancelled by now; and the jobs."""
    body = urlencode({"queue": "default", "input_param[]": ["a"] * count}, doseq=True)
    assert cost("POST", "/api/v1/task", body=body, headers=FORM) == (5, 1)


def test_looking_at_tasks(cost: Callable[..., Cost], client: Client, app: redisq.RedisQ, relay: Relay) -> None:
    paths = [post(client)["links"]["status"], "/api/v1/task"]
    assert [cost("GET", path) for path in paths] == [(2, 1), (2, 1)]  # the user and his tasks; and their jobs, together
    work(app, count=2)
    relay.collect(1.0)
    assert [cost("GET", path) for path in paths] == [(2, 0), (2, 0)]
