"""Workers on a cluster: several slots at once, a shard that fails over, a slot that moves while jobs run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redisq import RedisQ
from redisq.cluster import slot
from redisq.keys import queue_base
from tests.needs import need_server
from tests.system.working import LEASE, Producer, Worker, unended, unsettled
from tests.topologies import Cluster, queue_of_node
from tests.waiting import wait_until

HIGH, MID, LOW = (queue_of_node(node) for node in range(3))
ALL = f"{HIGH},{MID},{LOW}"
SLOW = 40.0


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One in which nothing is killed or moved, of a current Valkey. Without a node, the others work on."""
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster("valkey", folder, replicas=False, cluster_require_full_coverage="no")
    yield cluster.start()
    cluster.stop()


@pytest.fixture
def quiet(shared_cluster: Cluster) -> Cluster:
    shared_cluster.flush()
    return shared_cluster


@pytest.fixture
def app(quiet: Cluster) -> Iterator[RedisQ]:
    app = RedisQ(quiet.url, lease=LEASE)
    yield app
    app.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One with replicas, for one test."""
    cluster = Cluster("valkey", tmp_path / "servers")
    yield cluster.start()
    cluster.stop()


def claims(cluster: Cluster) -> int:
    """Scripts that all nodes have run so far."""
    return sum(cluster.calls(node, "evalsha") for node in cluster.nodes)


def idle(app: RedisQ, cluster: Cluster) -> None:
    """Wait until a worker waits for each of the queues."""
    for name in (HIGH, MID, LOW):
        node = cluster.owner(slot(queue_base("redisq", name)))
        wait_until(lambda node=node: cluster.blocked(node) >= 2)  # for jobs, and for orders


# While all is well


def test_a_burst_takes_the_queues_in_strict_order_and_follows_up_in_another_slot(
    app: RedisQ, quiet: Cluster, tmp_path: Path
) -> None:
    ids = [app.queue(name).enqueue("nap", 0.0).id for _ in range(20) for name in (LOW, MID, HIGH)]
    passing = app.queue(HIGH).enqueue("pass_on", LOW)
    with Worker(quiet.url, tmp_path, ALL, "--burst") as worker:
        assert worker.process.wait(20.0) == 0
    order = [job_id.partition(".")[0] for job_id in worker.events("end")]
    assert order == [*[HIGH] * 20, *[MID] * 20, *[LOW] * 21]
    assert unsettled(app, [*ids, passing.wait(0.0)]) == {}


def test_an_idle_worker_is_woken_in_every_slot_and_does_not_poll(app: RedisQ, quiet: Cluster, tmp_path: Path) -> None:
    with Worker(quiet.url, tmp_path, ALL) as worker:
        for name in (LOW, HIGH, MID, LOW):
            idle(app, quiet)
            began = time.monotonic()
            assert app.queue(name).enqueue("nap", 0.0).wait(10.0)
            assert time.monotonic() - began < 1.0
        idle(app, quiet)
        before, seen = claims(quiet), 0.0
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 3.0)
        seen = time.monotonic() - began
        # per slot: a housekeeping and a claim each block of up to 2 s, or when a lease ends; renewals each lease/4
        assert claims(quiet) - before < 3 * (2 * (seen / 0.5) + seen / (LEASE / 4) + 4)
        assert worker.process.poll() is None


def test_several_jobs_at_once_of_several_slots(app: RedisQ, quiet: Cluster, tmp_path: Path) -> None:
    """Beside long jobs, what ends is settled and what comes is started at once, in every slot."""
    with Worker(quiet.url, tmp_path, ALL, "--threads", "6") as worker:
        long = [app.queue(name).enqueue("nap", 3.0) for name in (HIGH, MID, LOW)]
        wait_until(lambda: len(worker.events("start")) == 3)
        began = time.monotonic()
        for _ in range(5):
            for name in (LOW, MID, HIGH):
                app.queue(name).enqueue("nap", 0.0).wait(10.0)
        assert time.monotonic() - began < 2.5
        assert [job.refresh().status for job in long] == ["running"] * 3
        together = [app.queue(name).enqueue("nap", 0.5).id for name in (HIGH, MID, LOW)]
        wait_until(lambda: not unended(worker, [*together, *(job.id for job in long)]))
        wait_until(lambda: not unsettled(app, [*together, *(job.id for job in long)]))


@pytest.mark.parametrize("arguments", [(), ("--threads", "4")])
def test_weights_hold_across_slots(app: RedisQ, quiet: Cluster, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name in (HIGH, LOW):
        app.queue(name).enqueue_many("nap", [((0.0,), {})] * 1400)
    with Worker(quiet.url, tmp_path, f"{HIGH}:6,{LOW}:1,{MID}:3", "--burst", *arguments) as worker:
        assert worker.process.wait(60.0) == 0
    order = [job_id.partition(".")[0] for job_id in worker.events("start")]
    assert len(order) == 2800
    both = order[:1400]  # whole batches come from one queue
    assert both.count(HIGH) / both.count(LOW) == pytest.approx(6.0, rel=0.35)


def test_a_job_that_runs_is_told_to_stop_in_any_slot(app: RedisQ, quiet: Cluster, tmp_path: Path) -> None:
    with Worker(quiet.url, tmp_path, ALL, "--processes", "2") as worker:
        for name in (HIGH, LOW):
            job = app.queue(name).enqueue("nap", 30.0)
            wait_until(lambda job=job: worker.events("start")[job.id])
            job.cancel()
            wait_until(lambda job=job: job.refresh().status == "cancelled", 10.0)


def test_a_frozen_shard_does_not_keep_jobs_out_of_the_others(app: RedisQ, quiet: Cluster, tmp_path: Path) -> None:
    with Worker(quiet.url, tmp_path, ALL, "--processes", "2"):
        idle(app, quiet)
        frozen = quiet.owner(slot(queue_base("redisq", HIGH)))
        held = app.queue(HIGH).enqueue("nap", 0.0)
        held.wait(5.0)
        frozen.pause()
        try:
            for _ in range(3):
                began = time.monotonic()
                assert app.queue(LOW).enqueue("nap", 0.0).wait(20.0)
                assert time.monotonic() - began < 4.0  # less than a reply's time-out
        finally:
            frozen.resume()
        assert app.queue(HIGH).enqueue("nap", 0.0).wait(20.0)


# While shards fail over and slots move


def check_nothing_is_lost(worker: Worker, producer: Producer) -> int:
    """All that was acknowledged runs, and is recorded so. Answers how often a job ran more than once."""
    producer.stop()
    wait_until(lambda: not unended(worker, producer.acknowledged), SLOW, "all that was acknowledged has run")
    wait_until(lambda: not unsettled(producer.app, producer.acknowledged), SLOW, "and is recorded as succeeded")
    return sum(worker.events("end").values()) - len(worker.events("end"))


def test_no_durable_job_is_lost_when_a_primary_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    with (
        Worker(cluster.url, tmp_path, ALL, "--processes", "2") as worker,
        Producer(cluster.url, HIGH, MID, LOW, durability="replica") as producer,
    ):
        wait_until(lambda: len(worker.times("end")) > 200, SLOW)
        number = slot(queue_base("redisq", HIGH))
        old = cluster.owner(number)
        backlog = producer.app.queue(HIGH).options(durability="replica").enqueue_many("nap", [((0.005,), {})] * 500)
        producer.acknowledged += [job.id for job in backlog]
        old.kill()
        killed_at = time.time()
        assert cluster.owner(number) is not old
        old.start()  # as a replica: without one, nothing durable could be enqueued
        acknowledged = producer.count(HIGH)
        wait_until(lambda: producer.count(HIGH) > acknowledged + 50, SLOW)
        repeated = check_nothing_is_lost(worker, producer)
        again = next(at for at in worker.times(f"start {HIGH}") if at > killed_at + 0.5)
        assert again - killed_at < 5 * LEASE
        assert repeated < 50  # what had run, and whose settlement the replica had not
        print(f"claimed again after {again - killed_at:.1f} s, {len(producer.refused)} refused, {repeated} repeated")


@pytest.mark.parametrize(("kind", "way"), [("valkey", "key by key"), ("redis", "key by key"), ("valkey", "at once")])
def test_a_slot_moves_while_jobs_run(way: str, tmp_path: Path, kind: str) -> None:
    need_server(kind)
    cluster = Cluster(kind, tmp_path / "servers", replicas=False)
    number = slot(queue_base("redisq", HIGH))
    try:
        cluster.start()
        with (
            Worker(cluster.url, tmp_path, f"{HIGH},{LOW}", "--processes", "2") as worker,
            Producer(cluster.url, HIGH, LOW) as producer,
        ):
            wait_until(lambda: len(worker.times("end")) > 100, SLOW)
            backlog = producer.app.queue(HIGH).enqueue_many("nap", [((0.005,), {})] * 500)
            producer.acknowledged += [job.id for job in backlog]
            old, new = cluster.owner(number), cluster.owner(slot(queue_base("redisq", LOW)))
            (cluster.move_keys if way == "key by key" else cluster.move_at_once)(number, old, new)
            moved, acknowledged = len(worker.times(f"end {HIGH}")), len(producer.acknowledged)
            wait_until(lambda: len(producer.acknowledged) > acknowledged + 100, SLOW)
            wait_until(lambda: len(worker.times(f"end {HIGH}")) > moved + 50, SLOW)
            assert check_nothing_is_lost(worker, producer) == 0
            assert producer.refused == []
            assert cluster.owner(number) is new
    finally:
        cluster.stop()
