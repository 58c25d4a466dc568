"""Producers and workers behind sentinels, whose primary is killed while jobs run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.working import LEASE, Producer, Worker, unended, unsettled
from tests.topologies import Sentinels
from tests.waiting import wait_until

SLOW = 40.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sentinels]]:
    """Starts current Valkeys: on Redis 7.0 this takes the same way and the same time."""
    started: list[Sentinels] = []

    def run(replicas: int, **config: object) -> Sentinels:
        started.append(Sentinels("valkey", tmp_path / "servers", replicas, **config))
        return started[-1].start()

    yield run
    for sentinels in started:
        sentinels.stop()


def test_no_durable_job_is_lost_when_the_primary_is_killed(start: Callable[..., Sentinels], tmp_path: Path) -> None:
    sentinels = start(replicas=2, min_replicas_to_write=1, min_replicas_max_lag=2)
    with (
        Worker(sentinels.url, tmp_path, "high,low", "--processes", "2") as worker,
        Producer(sentinels.url, "high", "low", durability="replica") as producer,
    ):
        wait_until(lambda: len(worker.times("end")) > 200, SLOW)
        old = sentinels.primary()
        old.kill()
        killed_at, acknowledged = time.time(), len(producer.acknowledged)
        assert sentinels.primary() is not old
        wait_until(lambda: len(producer.acknowledged) > acknowledged + 200, SLOW)
        producer.stop()
        wait_until(lambda: not unended(worker, producer.acknowledged), SLOW, "all that was acknowledged has run")
        wait_until(lambda: not unsettled(producer.app, producer.acknowledged), SLOW, "and is recorded as succeeded")
        again = next(at for at in worker.times("start") if at > killed_at + 0.5)
        assert again - killed_at < 5 * LEASE
        repeated = sum(worker.events("end").values()) - len(worker.events("end"))
        assert repeated < 50  # what had run, and whose settlement no replica had
        print(f"claimed again after {again - killed_at:.1f} s, {len(producer.refused)} refused, {repeated} repeated")


def test_a_primary_that_was_demoted_is_left_at_once(start: Callable[..., Sentinels], tmp_path: Path) -> None:
    sentinels = start(replicas=1)
    with (
        Worker(sentinels.url, tmp_path, "high") as worker,
        Producer(sentinels.url, "high") as producer,
    ):
        wait_until(lambda: len(worker.times("end")) > 50, SLOW)
        old = sentinels.primary()
        new = sentinels.swap()
        with old.client() as client:
            client.replicaof("127.0.0.1", new.port)  # sooner than the sentinels would; connections to it stay open
            acknowledged, ended = len(producer.acknowledged), len(worker.times("end"))
            wait_until(lambda: len(producer.acknowledged) > acknowledged + 50, SLOW)
            wait_until(lambda: len(worker.times("end")) > ended + 50, SLOW)
            assert client.info("replication")["role"] == "slave"
        producer.stop()
        assert producer.refused == []
        assert producer.app.queue_names() == {"high"}
