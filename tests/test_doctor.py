"""`redisq doctor`: what hands and lost data can spoil is found, told, and put right; what is in order is left alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import redis

import redisq
from redisq.claimed import Source
from redisq.doctor import Doctor
from redisq.forward import drain
from tests.servers import free_port

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> redisq.RedisQ:
    return redisq.RedisQ(redis_url)


@pytest.fixture
def raw(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def examine(app: redisq.RedisQ, dry_run: bool = False) -> dict[str, str]:
    return {finding.subject: finding.kind for finding in Doctor(app.settings, "q", dry_run).run()}


def test_a_queue_in_order_is_left_alone(app: redisq.RedisQ, raw: redis.Redis) -> None:
    queue = app.queue("q")
    for number in range(5):
        queue.put(number)
    queue.options(delay=60).put("later")
    with queue.claim() as _:
        pass
    held = queue.claim()
    failed = queue.claim()
    assert held
    assert failed
    failed.nack("no", retry_in=60)
    before = {key: raw.dump(key) for key in raw.scan_iter()}
    assert examine(app) == {}
    assert {key: raw.dump(key) for key in raw.scan_iter()} == before


def test_an_id_without_a_record_goes_to_the_dead_letters(app: redisq.RedisQ, raw: redis.Redis) -> None:
    raw.lpush(BASE + "pending", "ghost", b"\xff\xfe")
    raw.zadd(BASE + "scheduled", {"phantom": 1e15})
    assert examine(app, dry_run=True) == {"ghost": "bury", "phantom": "bury", "\\xff\\xfe": "bury"}
    assert app.queue("q").counts() == {"scheduled": 1, "queued": 2, "running": 0, "failed": 0}
    assert set(examine(app).values()) == {"bury"}
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 3}
    assert app.job("q.ghost").error == "no record of this job was found"
    assert examine(app) == {}


def test_a_record_without_a_place_is_queued_again(app: redisq.RedisQ, raw: redis.Redis) -> None:
    queue = app.queue("q")
    lost, late = queue.put("lost"), queue.options(delay=60).put("late")
    raw.delete(BASE + "pending", BASE + "scheduled", BASE + "wake")
    assert examine(app) == {lost.local_id: "queue", late.local_id: "schedule"}
    payloads = [delivery.job.payload for _ in range(2) if (delivery := queue.claim())]
    assert sorted(payloads) == ["late", "lost"]


def test_a_running_job_whose_worker_lost_its_list(app: redisq.RedisQ, raw: redis.Redis) -> None:
    job = app.queue("q").put(1)
    held = app.queue("q").claim()
    assert held
    raw.delete(*raw.keys(BASE + "claimed:*"))
    assert examine(app) == {job.local_id: "queue"}
    with pytest.raises(redisq.LeaseLost):
        held.ack()
    assert app.queue("q").counts()["queued"] == 1


def test_the_list_of_a_worker_long_gone(app: redisq.RedisQ, raw: redis.Redis) -> None:
    app.queue("q").put(1)
    held = app.queue("q").claim()
    raw.delete(BASE + "workers", BASE + "calls")
    assert list(examine(app).values()) == ["give back"]
    assert app.queue("q").counts()["queued"] == 1
    assert held


def test_an_ended_job_that_would_stay_for_ever(app: redisq.RedisQ, raw: redis.Redis) -> None:
    job = app.queue("q").put(1)
    with app.queue("q").claim() as _:
        pass
    raw.persist(BASE + "job:" + job.local_id)
    assert examine(app) == {job.local_id: "expire"}
    assert raw.ttl(BASE + "job:" + job.local_id) > 0


def test_a_failed_job_that_is_no_dead_letter(app: redisq.RedisQ, raw: redis.Redis) -> None:
    job = app.queue("q").options(max_attempts=1).put(1)
    held = app.queue("q").claim()
    assert held
    held.nack("no")
    raw.delete(BASE + "dead")
    assert examine(app) == {job.local_id: "dead"}
    assert app.queue("q").counts()["failed"] == 1


def test_a_key_of_a_wrong_type_is_set_aside(app: redisq.RedisQ, raw: redis.Redis) -> None:
    job = app.queue("q").put(1)
    raw.rename(BASE + "pending", "elsewhere")
    raw.set(BASE + "pending", "who did this")
    assert examine(app, dry_run=True) == {BASE + "pending": "set aside"}
    assert examine(app) == {BASE + "pending": "set aside", job.local_id: "queue"}
    assert app.queue("q").claim(timeout=1)
    [aside] = raw.keys(BASE + "broken-*")
    assert raw.get(aside) == b"who did this"


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "redisq.admin", *args], capture_output=True, text=True, timeout=60)


def test_the_command_says_what_it_did(app: redisq.RedisQ, raw: redis.Redis, redis_url: str) -> None:
    app.queue("q").put(1)
    raw.lpush(BASE + "pending", "ghost")
    dry = command("doctor", "--url", redis_url, "--dry-run")
    assert dry.stdout.splitlines() == [
        "q: ghost has no readable record: put into the dead letters",
        "1 queues looked over, 1 to mend (a dry run: nothing was done)",
    ]
    done = command("doctor", "--url", redis_url, "--queues", "q", "--json")
    assert json.loads(done.stdout) == {"queue": "q", "subject": "ghost", "kind": "bury"}
    assert command("doctor", "--url", redis_url).stdout == "1 queues looked over, 0 mended\n"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["doctor", "--queues", "a b"], 2),
        ([], 2),
        (["doctor", "--url", "http://127.0.0.1"], 1),
        (["doctor", "--url", f"redis://127.0.0.1:{free_port()}"], 1),
    ],
)
def test_a_mistake_is_one_line(args: list[str], code: int) -> None:
    done = command(*args)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("redisq")


def test_a_parent_that_forgot_who_waits_for_it_is_reminded(app: redisq.RedisQ, raw: redis.Redis) -> None:
    queue, other = app.queue("q"), app.queue("other")
    parents = [queue.put(1), queue.put(2), other.put(3), queue.put(4)]
    child = queue.options(after=parents).put("child")
    while drain(app.settings, Source("q", queue.base)):
        pass
    assert examine(app) == {}
    raw.delete(BASE + f"next:{parents[0].local_id}", f"redisq:{{other}}:next:{parents[2].local_id}")
    raw.hset(BASE + f"job:{parents[1].local_id}", mapping={"s": "s", "r": "2"})
    raw.lrem(BASE + "pending", 1, parents[1].local_id)
    raw.expire(BASE + f"job:{parents[1].local_id}", 100)
    assert examine(app, dry_run=True) == {child.local_id: "tie"}
    assert examine(app) == {child.local_id: "tie"}
    assert examine(app) == {}
    assert [parent.result for parent in child.parents()] == [None, 2, None, None]
    for delivery in (queue.claim(), queue.claim(), other.claim()):
        delivery.ack(delivery.job.payload)
    assert [parent.result for parent in child.parents()] == [1, 2, 3, 4]
    assert child.refresh().status == "queued"


def test_a_parent_that_is_gone_ends_the_wait_for_it(app: redisq.RedisQ, raw: redis.Redis) -> None:
    queue = app.queue("q")
    parent = queue.put(1)
    child = queue.options(after=[parent]).put("child")
    raw.delete(BASE + f"job:{parent.local_id}", BASE + "pending")
    raw.zrem(BASE + "scheduled", child.local_id)
    found = [finding.kind for finding in Doctor(app.settings, "q").run() if finding.subject == child.local_id]
    assert found == ["schedule", "tie"]
    assert child.refresh().error == f"its parent {parent.id} did not succeed: there is no such job"
