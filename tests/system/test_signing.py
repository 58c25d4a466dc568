"""Workers run what is signed, however it was enqueued, and nothing else, whichever kind of child they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from redisq import RedisQ
from tests.system.workers import LEASE, Worker, clean

KEYS = "new-" + "b" * 32, "old-" + "a" * 32
BASE = "redisq:{default}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, lease=LEASE, signing_keys=KEYS)
    yield app
    app.close()


def burst(url: str, directory: Path, *flags: str) -> str:
    """Run a worker to its end; what it says."""
    usual = ("--app", "tests.system.tasks:app", "--queues", "default,low", "--lease", str(LEASE), "--burst")
    worker = Worker(url, directory, 0, *usual, *flags, REDISQ_SIGNING_KEYS=",".join(KEYS))
    try:
        assert worker.wait() == 0
    finally:
        worker.end()
    return worker.log


@pytest.mark.parametrize("flags", [(), ("--threads", "3"), ("--concurrency", "3")])
def test_what_is_signed_runs_and_what_is_forged_does_not(
    app: RedisQ, client: redis.Redis, redis_url: str, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    queue, plain = app.queue("default"), RedisQ(redis_url, signing_keys=[])
    before = RedisQ(redis_url, signing_keys=KEYS[1:])
    good = [queue.enqueue("wait_a_bit", 1), queue.enqueue("parent", False)]
    good.append(before.queue("default").enqueue("echo", "good"))
    bad = [queue.enqueue(task, "evil") for task in ("echo", "wait_a_bit", "echo")]
    bad.append(queue.options(timeout=9.0).enqueue("echo", "evil"))
    keys = [f"{BASE}job:{job.local_id}" for job in bad]
    client.hset(keys[0], "b", '[["evil", {}]]')
    client.hset(keys[1], "b", "[[2],{}]")
    client.hset(keys[2], "t", "nap")
    client.hset(keys[3], "o", '{"timeout":1e6}')
    bad += [plain.queue("default").enqueue("echo", "evil"), plain.queue("low").enqueue("wait_a_bit", 3)]
    told = burst(redis_url, tmp_path, *flags)
    assert [job.refresh().status for job in good] == ["succeeded"] * 3
    assert [str(job.refresh().error)[:8] for job in bad] == ["forged: "] * len(bad)
    assert told.count("job.forged") == len(bad)
    assert not any(key in told for key in KEYS)
    history = (tmp_path / "history").read_text()
    assert "evil" not in history
    assert "same queue" in history
    assert "other queue" in history
    clean(redis_url)
    plain.close()
    before.close()


def test_a_worker_with_a_key_that_is_none_says_so_and_does_not_quote_it(redis_url: str, tmp_path: Path) -> None:
    usual = ("--app", "tests.system.tasks:app", "--queues", "default")
    worker = Worker(redis_url, tmp_path, 0, *usual, REDISQ_SIGNING_KEYS="hunter2")
    try:
        assert worker.wait() != 0
    finally:
        worker.end()
    assert "signing_keys: number 1 has 7 bytes" in worker.log
    assert "hunter2" not in worker.log
