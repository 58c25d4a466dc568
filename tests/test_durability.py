"""durability="fsync" and "replica": refused where they cannot be had, and kept, or told, where they can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import redisq
from tests.proxy import Proxy
from tests.servers import Server
from tests.waiting import wait_until

Start = Callable[..., Server]


@pytest.fixture
def durable_server(new_server: Start) -> Server:
    return new_server(appendonly="yes", appendfsync="always")


def test_fsync_is_had_where_the_file_is_always_synced(durable_server: Server) -> None:
    app = redisq.RedisQ(durable_server.url, durability="fsync")
    jobs = [app.queue("q").put(number) for number in range(300)]
    durable_server.restart()
    assert [job.refresh().payload for job in jobs] == list(range(300))


def test_kill_the_server_right_after_each_acknowledgement(durable_server: Server) -> None:
    app = redisq.RedisQ(durable_server.url, durability="fsync")
    kept: list[str] = []
    for number in range(10):
        kept += [app.queue("q").put([number, n]).id for n in range(30)]
        durable_server.restart()
    assert all(app.find_jobs(kept))


@pytest.mark.parametrize("config", [{}, {"appendonly": "yes", "appendfsync": "everysec"}])
def test_fsync_is_refused_before_anything_is_enqueued(new_server: Start, config: dict[str, str]) -> None:
    app = redisq.RedisQ(new_server(**config).url)
    queue = app.queue("q").options(durability="fsync")
    with pytest.raises(redisq.DurabilityUnsupported):
        queue.put(1)
    assert app.queue("q").counts()["queued"] == 0


def test_it_is_looked_up_again_after_a_reconnect(new_server: Start) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    app = redisq.RedisQ(server.url, durability="fsync")
    app.queue("q").put(1)
    server.config["appendfsync"] = "everysec"
    server.restart()
    with pytest.raises(redisq.DurabilityUnsupported):
        app.queue("q").put(2)
    assert app.queue("q").counts()["queued"] == 1


def test_a_server_that_changed_while_the_reply_was_lost_is_not_trusted(new_server: Start) -> None:
    """The enqueue was executed and its reply lost; after the reconnect the server gives less."""
    server = new_server(appendonly="yes", appendfsync="always")
    with Proxy(server.url) as proxy:
        app = redisq.RedisQ(proxy.url, durability="fsync")
        app.queue("q").put(1)
        with server.client() as client:
            client.config_set("appendfsync", "everysec")
        proxy.drop_reply = 1
        with pytest.raises(redisq.NotDurable) as raised:
            app.queue("q").options(job_id="two").put(2)
        assert raised.value.job_id == "two"
        assert app.job("q.two").payload == 2
        app.close()


def test_replica_is_refused_without_one(redis_url: str) -> None:
    app = redisq.RedisQ(redis_url, durability="replica")
    with pytest.raises(redisq.DurabilityUnsupported):
        app.queue("q").put(1)
    assert app.queue("q").counts()["queued"] == 0


def test_replica_confirms_or_the_id_is_told(new_server: Start) -> None:
    primary = new_server()
    replica = new_server(replicaof=f"127.0.0.1 {primary.port}")
    with primary.client() as client:
        wait_until(lambda: client.info("replication").get("slave0", {}).get("state") == "online", 30)
    app = redisq.RedisQ(primary.url, durability="replica")
    job = app.queue("q").put(1)
    with replica.client() as client:
        assert client.exists(f"redisq:{{q}}:job:{job.local_id}")
    replica.pause()
    try:
        with pytest.raises(redisq.NotDurable) as raised:
            app.queue("q").put(2)
    finally:
        replica.resume()
    assert app.job(f"q.{raised.value.job_id}").payload == 2  # enqueued all the same
    # The same id again writes a field, so that there is something for the replica to confirm.
    again = app.queue("q").options(job_id=raised.value.job_id)
    assert again.put(2).created is False


@pytest.mark.parametrize("durability", ["fsynced", "", 1])
def test_a_durability_that_is_none(durability: Any) -> None:
    with pytest.raises(redisq.InvalidOption):
        redisq.RedisQ(durability=durability)
    with pytest.raises(redisq.InvalidOption):
        redisq.RedisQ().queue("q").options(durability=durability)


def test_a_call_asks_for_more_than_its_app(tmp_path: Path, durable_server: Server) -> None:
    app = redisq.RedisQ(durable_server.url)
    assert app.queue("q").options(durability="fsync").put(1).created
    assert redisq.RedisQ(durable_server.url, durability="fsync").queue("q").options(durability=None).put(2).created
