"""Worker processes are told of, stopped and replaced from afar; what they run is finished."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime, timedelta

import pytest

import redisq
from redisq import admin
from tests.system.shop import Shop
from tests.system.workers import Start, clean
from tests.waiting import wait_until

SLOW = 30.0


def names(shop: Shop) -> list[str]:
    """Of the workers of which their supervisor has told, by name."""
    return [info.name for info in shop.queue.workers() if info.version is not None]


def test_what_is_told_of_a_worker(shop: Shop) -> None:
    worker = shop.start("--processes", "2")
    wait_until(lambda: len(names(shop)) == 2, SLOW)
    for info in shop.queue.workers():
        assert (info.version, info.python) == (redisq.__version__, platform.python_version())
        assert info.pid == worker.process.pid
        assert info.memory is not None
        assert 5_000_000 < info.memory < 500_000_000
        assert info.started_at is not None
        assert timedelta(0) <= datetime.now(UTC) - info.started_at < timedelta(seconds=SLOW)


def test_a_worker_of_two_queues_is_told_of_by_both(start: Start, app: redisq.RedisQ) -> None:
    start(queues="high,low")
    wait_until(lambda: app.queue("low").workers() and app.queue("low").workers()[0].version, SLOW)
    (info,) = app.survey().workers(["low", "high"])
    assert info.queues == ("low", "high")
    assert info.version == redisq.__version__


def test_one_that_is_stopped_finishes_its_job_and_has_no_successor(shop: Shop, redis_url: str) -> None:
    worker = shop.start("--processes", "2")
    wait_until(lambda: len(names(shop)) == 2, SLOW)
    job = shop.hold("long")
    (busy,) = (info.name for info in shop.queue.workers() if info.held)
    shop.app.stop_worker(busy)
    wait_until(lambda: f"worker.stopping worker={busy}" in worker.log, SLOW)
    assert shop.version() == "v1", "the other goes on"
    assert busy in names(shop)
    shop.let_go("long")
    assert job.wait(SLOW) == "v1"
    wait_until(lambda: len(worker.children()) == 1, SLOW)
    (left,) = names(shop)
    shop.app.recycle_worker(left)
    wait_until(lambda: left not in names(shop), SLOW)
    assert len(worker.children()) == 1, "one is replaced by one, since two are no longer wanted"
    clean(redis_url)


def test_the_supervisor_ends_with_its_last_worker(shop: Shop, redis_url: str) -> None:
    worker = shop.start()
    wait_until(lambda: names(shop), SLOW)
    shop.app.stop_worker(names(shop)[0], ["default"])
    assert worker.wait(SLOW) == 0
    clean(redis_url)


def test_one_that_is_recycled_finishes_its_job_while_its_successor_serves(shop: Shop, redis_url: str) -> None:
    worker = shop.start()
    wait_until(lambda: names(shop), SLOW)
    job = shop.hold("long")
    (old,) = names(shop)
    shop.app.recycle_worker(old)
    assert [shop.version() for _ in range(3)] == ["v1"] * 3, "another serves"
    shop.let_go("long")
    assert job.wait(SLOW) == "v1"
    wait_until(lambda: old not in names(shop), SLOW)
    assert len(names(shop)) == len(worker.children()) == 1
    assert "worker.crashed" not in worker.log
    clean(redis_url)


def test_orders_by_the_command_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISQ_URL", shop.url)
    worker = shop.start()
    wait_until(lambda: names(shop), SLOW)
    (old,) = names(shop)
    assert admin.main(["workers", "--queue", "default", "--recycle", old]) == 0
    wait_until(lambda: old not in names(shop) and names(shop), SLOW)
    assert admin.main(["workers", "--queue", "default", "--stop", names(shop)[0]]) == 0
    assert worker.wait(SLOW) == 0
    assert admin.main(["workers", "--queue", "default", "--stop", old]) == 1


def test_who_claims_through_the_library_obeys_nobody(app: redisq.RedisQ) -> None:
    queue = app.queue("q")
    queue.enqueue("t")
    delivery = queue.claim()
    assert delivery is not None
    (info,) = queue.workers()
    assert (info.version, info.python, info.started_at, info.memory, info.pid) == (None, None, None, None, os.getpid())
    with pytest.raises(redisq.WorkerNotFound, match="claims through the library"):
        app.stop_worker(info.name)
    with pytest.raises(redisq.WorkerNotFound, match="no worker 'nobody'"):
        app.recycle_worker("nobody")
    delivery.ack()
