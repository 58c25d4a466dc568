"""Fixtures for tests with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from redisq import RedisQ
from tests.system.shop import Shop
from tests.system.workers import LEASE, Start, Worker


@pytest.fixture
def shop(redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    """An app that a test may write anew, and its workers."""
    shop = Shop(redis_url, tmp_path)
    yield shop
    shop.close()


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts redisq-worker with a short lease: `start("--burst", queues="high,low")`."""
    workers: list[Worker] = []

    def run(
        *arguments: str, queues: str = "default", app: str = "tests.system.tasks:app", url: str = redis_url
    ) -> Worker:
        usual = ("--queues", queues, "--app", app, "--lease", str(LEASE))
        workers.append(Worker(url, tmp_path, len(workers), *usual, *arguments))
        return workers[-1]

    yield run
    for worker in workers:
        worker.end()


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=LEASE)
    yield app
    app.close()
