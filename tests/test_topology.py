"""URLs of the topologies; and the library on each of them, while all is well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import redis

import redisq
from redisq import DurabilityUnsupported, InvalidURL, JobNotFound, RedisQ, ServerUnavailable
from redisq.cluster import slot
from redisq.doctor import Doctor
from redisq.endpoint import Endpoint
from redisq.urls import check_url, redact
from tests.needs import need_server
from tests.topologies import Cluster, Sentinels, queue_of_node
from tests.waiting import wait_until

Topology = Sentinels | Cluster

#: Three queues, each on a node of its own where there are several.
HIGH, MID, LOW = (queue_of_node(node) for node in range(3))


@pytest.fixture(scope="module")
def topologies(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, str], Topology]]:
    """Gives the one topology of a kind; it starts when first asked for."""
    started: dict[tuple[str, str], Topology] = {}

    def get(topology: str, kind: str) -> Topology:
        if (topology, kind) not in started:
            make = {"sentinel": Sentinels, "cluster": Cluster}[topology]
            started[topology, kind] = make(kind, tmp_path_factory.mktemp(topology))
            started[topology, kind].start()
        return started[topology, kind]

    yield get
    for topology in started.values():
        topology.stop()


@pytest.fixture(params=[("sentinel", "valkey"), ("cluster", "valkey"), ("cluster", "redis")], ids="-".join)
def topology(request: pytest.FixtureRequest, topologies: Callable[[str, str], Topology]) -> Topology:
    """An empty one, which others use too: nothing in it may be killed."""
    need_server(request.param[1])
    topology = topologies(*request.param)
    topology.flush()
    return topology


@pytest.fixture
def app(topology: Topology) -> Iterator[RedisQ]:
    app = RedisQ(topology.url, lease=2.0, patience=5.0)
    yield app
    app.close()


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1,b:2/jobs",
        "redis+sentinel://a/jobs/3",
        "redis+sentinel://user:secret@[::1]:26379,b/jobs?sentinel_password=hush",
        "redis+cluster://a:1,b,[::1]:2",
        "redis+cluster://:secret@a/0",
    ],
)
def test_urls_that_are_understood(url: str) -> None:
    assert check_url(url) == url
    assert "secret" not in repr(RedisQ(url))
    assert "hush" not in repr(RedisQ(url))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://a:1,b:2", "no service is named"),
        ("redis+sentinel://a:1/", "no service is named"),
        ("redis+sentinel://a:1/jobs/x", "not the number of a database: 'x'"),
        ("redis+sentinel://a:1/jobs/0/1", "not the number of a database: '0/1'"),
        ("redis+sentinel:///jobs", "not HOST:PORT: ''"),
        ("redis+sentinel://a:x/jobs", "not HOST:PORT: 'a:x'"),
        ("redis+cluster://a:1,,b:1", "not HOST:PORT: ''"),
        ("redis+cluster://a:70000", "not HOST:PORT: 'a:70000'"),
        ("redis+cluster://::1:1", "not HOST:PORT: '::1:1'"),
        ("redis+cluster://a:1/3", "a cluster has no databases but 0"),
        ("redis+ring://a:1", "redis+cluster://"),
    ],
)
def test_urls_that_are_not_understood(url: str, message: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        RedisQ(url.replace("://", "://me:secret@"))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pw@h:1/0", "redis://:***@h:1/0"),
        ("redis://me:p@w@h/0", "redis://me:***@h/0"),
        ("redis://h/0?password=pw&db=1", "redis://h/0?password=***&db=1"),
        ("redis+sentinel://me:pw@a,b/s?sentinel_password=x", "redis+sentinel://me:***@a,b/s?sentinel_password=***"),
        ("redis://h:1/0", "redis://h:1/0"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


# The library, on each


def test_a_job_from_end_to_end(app: RedisQ) -> None:
    queue = app.queue(HIGH)
    job = queue.options(job_id="one").enqueue("t", 1, a=2)
    assert job.created
    assert not queue.options(job_id="one").enqueue("t", 1, a=2).created
    assert queue.counts() == {"scheduled": 0, "queued": 1, "running": 0, "failed": 0}
    delivery = queue.claim(2.0)
    assert delivery is not None
    assert (delivery.job.id, delivery.job.args, delivery.job.kwargs) == (job.id, [1], {"a": 2})
    assert queue.counts()["running"] == 1
    delivery.ack({"done": True})
    assert app.job(job.id).wait(1.0) == {"done": True}
    assert queue.claim(0.1) is None


def test_many_jobs_come_in_their_order(app: RedisQ) -> None:
    queue = app.queue(MID)
    jobs = queue.enqueue_many("t", (((n,), {}) for n in range(600)))
    assert [job.created for job in jobs] == [True] * 600
    claimed = []
    for _ in range(600):
        with queue.claim(2.0) as delivery:
            claimed.append(delivery.job.args[0])
    assert claimed == list(range(600))


def test_what_fails_is_tried_again_then_a_dead_letter_and_revived(app: RedisQ) -> None:
    queue = app.queue(LOW)
    job = queue.options(max_attempts=2).enqueue("t")
    queue.claim(2.0).nack("first", retry_in=0.05)
    assert job.refresh().status == "scheduled"
    queue.claim(2.0).nack("second")
    assert [dead.id for dead in queue.jobs("failed")] == [job.id]
    assert job.retry().status == "queued"
    queue.claim(2.0).ack()
    assert job.refresh().status == "succeeded"


def test_cancel_delete_pause_and_purge(app: RedisQ) -> None:
    queue = app.queue(HIGH)
    waiting, deleted, running = (queue.enqueue("t") for _ in range(3))
    assert waiting.cancel().status == "cancelled"
    deleted.delete()
    with pytest.raises(JobNotFound):
        deleted.refresh()
    delivery = queue.claim(2.0)
    assert running.cancel().status == "running"
    delivery.ack()
    assert running.refresh().status == "cancelled"
    for _ in range(3):
        queue.options(delay=60.0).enqueue("t")
    queue.pause()
    queue.enqueue("t")
    assert queue.claim(0.2) is None
    queue.resume()
    with queue.claim(2.0):
        pass
    assert queue.purge() == 3


def test_a_feed_tells_of_queues_in_several_slots(app: RedisQ) -> None:
    jobs = [app.queue(name).options(feed="f").enqueue("t", name) for name in (HIGH, MID, LOW)]
    assert app.queue_names() == {HIGH, MID, LOW}
    for name in (HIGH, MID):
        app.queue(name).claim(2.0).ack(name)
    feed = app.feed("f")
    told = [delivery for _ in range(2) for delivery in feed.claim_many(1, 3.0)]
    assert {delivery.job.result for delivery in told} == {HIGH, MID}
    feed.ack_many(told)
    assert feed.claim(0.2) is None
    jobs[2].cancel()
    with feed.claim(3.0) as delivery:
        assert delivery.job.status == "cancelled"


def test_a_feed_that_waits_hears_of_a_new_queue_in_another_slot(app: RedisQ) -> None:
    feed = app.feed("f")
    app.queue(HIGH).options(feed="f").enqueue("t").cancel()
    with feed.claim(3.0) as delivery:
        held = delivery.job.id
        app.queue(LOW).options(feed="f").enqueue("t").cancel()
        other = feed.claim(5.0)
        assert other.job.queue == LOW
        other.ack()
    assert feed.claim(0.1) is None
    assert held.startswith(HIGH)


def test_who_waits_for_a_job_is_woken(app: RedisQ) -> None:
    queue = app.queue(MID)
    job = queue.enqueue("t")
    results = []
    thread = threading.Thread(target=lambda: results.append(job.wait(10.0)))
    thread.start()
    queue.claim(2.0).ack("result")
    thread.join(5.0)
    assert results == ["result"]


def test_jobs_of_several_queues_are_found_and_their_leases_renewed(app: RedisQ) -> None:
    jobs = [app.queue(name).enqueue("t") for name in (HIGH, MID, LOW)]
    found = app.find_jobs([*(job.id for job in jobs), f"{LOW}.none"])
    assert [job and job.id for job in found] == [*(job.id for job in jobs), None]
    deliveries = [app.queue(name).claim(2.0) for name in (HIGH, MID, LOW)]
    consumer = deliveries[0]._open.consumer
    before = consumer.renewed_at
    wait_until(lambda: consumer.renewed_at > before, 5.0)
    for delivery in deliveries:
        delivery.ack()


def test_the_doctor_looks_over_a_queue(app: RedisQ) -> None:
    queue = app.queue(LOW)
    queue.enqueue("t")
    queue._call([("LPUSH", f"{queue.base}pending", "ghost")])
    assert [finding.subject for finding in Doctor(app.settings, LOW).run()] == ["ghost"]


def test_a_replica_confirms_what_is_to_be_durable(app: RedisQ) -> None:
    assert app.queue(HIGH).options(durability="replica").enqueue("t").created
    with pytest.raises(DurabilityUnsupported):
        app.queue(HIGH).options(durability="fsync").enqueue("t")
    assert app.queue(HIGH).counts()["queued"] == 1


# Addresses


def test_a_service_that_no_sentinel_knows(topologies: Callable[[str, str], Topology]) -> None:
    url = topologies("sentinel", "valkey").url.replace("/jobs", "/other")
    with pytest.raises(ServerUnavailable, match="knows no service 'other'"):
        RedisQ(url, patience=0.0).queue("q").counts()


def test_sentinels_that_are_away_are_passed_over(topologies: Callable[[str, str], Topology]) -> None:
    url = topologies("sentinel", "valkey").url.replace("://", "://127.0.0.1:1,")
    assert RedisQ(url, patience=0.0).queue("q").counts()["queued"] == 0


def test_a_replica_that_a_sentinel_names_is_not_used(topologies: Callable[[str, str], Topology]) -> None:
    sentinels = topologies("sentinel", "valkey")
    assert isinstance(sentinels, Sentinels)
    app = RedisQ(sentinels.url, patience=0.0)
    replica = next(server for server in sentinels.data if server is not sentinels.primary())
    check = app.settings.server.endpoint()._check
    with pytest.raises(redis.ConnectionError, match="is no primary, but a slave"):
        Endpoint(replica.url, check=check).ask(("PING",))


def test_a_node_that_is_away_is_passed_over(topologies: Callable[[str, str], Topology]) -> None:
    url = topologies("cluster", "valkey").url.replace("://", "://127.0.0.1:1,")
    assert RedisQ(url, patience=0.0).queue("q").counts()["queued"] == 0


def test_a_server_that_is_no_cluster(topologies: Callable[[str, str], Topology]) -> None:
    sentinels = topologies("sentinel", "valkey")
    assert isinstance(sentinels, Sentinels)
    with pytest.raises(ServerUnavailable, match="no node tells the cluster's slots"):
        RedisQ(f"redis+cluster://127.0.0.1:{sentinels.data[0].port}", patience=0.0).queue("q").counts()


def test_all_keys_of_a_queue_are_in_the_slot_of_its_name() -> None:
    base = redisq.keys.queue_base("redisq", HIGH)
    assert len({slot(base + name) for name in (*redisq.keys.NAMES.values(), "feed:f:wake")}) == 1
    assert {slot(redisq.keys.queue_base(space, "q")) for space in ("a", "b")} == {slot("{q}")}
