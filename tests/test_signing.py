"""Signatures: what somebody without a key has written to Redis is given to nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redisq import CurrentJob, InvalidOption, Job, RedisQ
from redisq.claimed import succeeded
from redisq.claimer import Claimer, registration
from redisq.forward import drain
from redisq.options import DEFAULTS
from redisq.signing import Signer, signer
from tests.invariants import check

OLD, NEW, OTHER = "old-" + "a" * 32, "new-" + "b" * 32, "other-" + "c" * 32
BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, signing_keys=[NEW, OLD])
    app.task("pay", queue="q")(lambda *args: None)
    yield app
    with redis.Redis.from_url(redis_url) as client:
        check(client)
    app.close()


def claim(app: RedisQ, queue: str = "q") -> Job | None:
    """The next genuine job, which ends well."""
    delivery = app.queue(queue).claim(timeout=0.0)
    if delivery is None:
        return None
    delivery.ack()
    return delivery.job


def is_forged(job: Job, why: str = "its signature") -> bool:
    job = job.refresh()
    return job.status == "failed" and str(job.error).startswith(f"forged: {why}")


# The signature itself

PARTS: dict[str, Any] = {"queue": "q", "local_id": "j", "task": b"t", "body": b"[]", "run": b"{}"}


def test_every_part_counts() -> None:
    signer = Signer("redisq", [NEW.encode()])
    signature = signer.sign(**PARTS)
    mine = PARTS | {"local_id": b"j"}
    assert signer.accepts(**mine, signature=signature)
    for part in mine:
        other: Any = mine[part] + ("x" if part == "queue" else b"x")
        assert not signer.accepts(**(mine | {part: other}), signature=signature), part
    assert not Signer("other", [NEW.encode()]).accepts(**mine, signature=signature)
    for broken in (b"", b":", signature[:-1], signature + b"=", b"x:" + signature, signature.swapcase()):
        assert not signer.accepts(**mine, signature=broken)


def test_no_part_can_take_over_the_end_of_another() -> None:
    signer = Signer("redisq", [NEW.encode()])
    moved = PARTS | {"task": b"t{", "run": b"}"}
    assert signer.sign(**PARTS) != signer.sign(**moved)
    assert signer.sign(**(PARTS | {"task": b"", "run": b"t{}"})) != signer.sign(**PARTS)


def test_a_signature_is_short_text() -> None:
    signature = Signer("redisq", [NEW.encode()]).sign(**PARTS)
    assert len(signature) == 22
    assert signature.replace(b"+", b"").replace(b"/", b"").isalnum()


def test_it_stays_what_it_is_over_versions() -> None:
    assert Signer("redisq", [NEW.encode()]).sign(**PARTS) == b"3r8y8vu/po68uYRhoBVhLg"


# Keys


@pytest.mark.parametrize("keys", ["x" * 40, b"x" * 40, 7, ["short-secret"], [7], [NEW, "short-secret"], [NEW, ""]])
def test_keys_that_are_none(keys: Any) -> None:
    with pytest.raises(InvalidOption, match="signing_keys") as caught:
        RedisQ("redis://127.0.0.1:1", signing_keys=keys)
    assert "short-secret" not in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISQ_SIGNING_KEYS", f"{NEW}, {OLD}")
    assert RedisQ().settings.signer.keys == (NEW.encode(), OLD.encode())
    assert RedisQ(signing_keys=[OTHER]).settings.signer.keys == (OTHER.encode(),)
    off = RedisQ(signing_keys=[])
    assert off.settings.signer is None
    assert off.replace().settings.signer is None
    monkeypatch.setenv("REDISQ_SIGNING_KEYS", f"{NEW},")
    with pytest.raises(InvalidOption, match="number 2 has 0 bytes"):
        RedisQ()
    monkeypatch.setenv("REDISQ_SIGNING_KEYS", "")
    assert RedisQ().settings.signer is None


def test_no_key_is_shown() -> None:
    app = RedisQ("redis://127.0.0.1:1", signing_keys=[NEW, OLD])
    shown = repr(app) + repr(app.settings) + repr(app.replace(lease=3.0).settings) + repr(app.queue("q"))
    assert NEW not in shown
    assert OLD not in shown
    assert "<Signer 2 keys>" in shown
    assert app.replace(lease=3.0).settings.signer.keys == app.settings.signer.keys
    assert signer("redisq", None, None) is None


# What is signed


def test_all_ways_to_enqueue_sign(app: RedisQ) -> None:
    queue, pay = app.queue("q"), app.tasks["pay"]
    jobs = [
        queue.put({"a": 1}),
        queue.put(None),
        pay.enqueue(1),
        pay.options(delay=0.001, timeout=5.0, job_id="mine", feed="f", concurrency=2).enqueue(2),
        pay.options(unique=True, expires=60.0).enqueue(3),
        *queue.enqueue_many("pay", [((4,), {}), ((5,), {}, {"max_attempts": 1})]),
        *asyncio.run(queue.enqueue_many_async("pay", [((6,), {})])),
        asyncio.run(queue.enqueue_async("pay", 7)),
    ]
    assert {job.id for _ in jobs if (job := claim(app))} == {job.id for job in jobs}


def test_what_the_old_key_signed_is_accepted_and_what_another_did_not(app: RedisQ, redis_url: str) -> None:
    for keys, accepted in (([OLD], True), ([OLD, NEW], True), ([OTHER, NEW], False), ([], False)):
        other = RedisQ(redis_url, signing_keys=keys)
        job = other.queue("q").put(1)
        got = claim(app)
        assert (got is not None and got.id == job.id) == accepted
        assert is_forged(job, "its signature" if keys else "it is not signed") != accepted
        other.close()


def test_keys_are_rotated_without_a_stop(redis_url: str) -> None:
    old, both, new = (RedisQ(redis_url, signing_keys=keys) for keys in ([OLD], [OLD, NEW], [NEW]))
    changed = RedisQ(redis_url, signing_keys=[NEW, OLD])
    jobs = [app.queue("q").put(1).id for app in (old, both, changed, new)]
    assert [claim(both).id, claim(both).id, claim(changed).id, claim(changed).id] == jobs
    late = old.queue("q").put(2)
    assert claim(new) is None
    assert is_forged(late)
    late.retry()
    assert claim(changed).id == late.id
    for app in (old, both, new, changed):
        app.close()


def test_who_does_not_sign_runs_what_is_signed(app: RedisQ, redis_url: str) -> None:
    plain = RedisQ(redis_url, signing_keys=[])
    job = app.queue("q").put(1)
    assert claim(plain).id == job.id
    plain.close()


def test_a_replaced_call_is_signed_anew(app: RedisQ, client: redis.Redis) -> None:
    save = app.queue("q").options(unique="doc", replace=True)
    first, second = save.options(timeout=5.0, delay=60.0).enqueue("pay", 1), save.options(timeout=6.0).enqueue("pay", 2)
    assert first.id == second.id
    got = claim(app)
    assert (got.id, got.args) == (first.id, [2])
    third = save.enqueue("pay", 3)
    client.hset(f"{BASE}job:{third.local_id}", "b", "[[4],{}]")
    assert claim(app) is None
    assert is_forged(third)


def test_a_replacement_without_a_signature_does_not_keep_the_old_one(app: RedisQ, redis_url: str) -> None:
    plain = RedisQ(redis_url, signing_keys=[])
    job = app.queue("q").options(unique="doc", replace=True).enqueue("pay", 1)
    plain.queue("q").options(unique="doc", replace=True).enqueue("pay", 1)
    assert claim(app) is None
    assert is_forged(job, "it is not signed")
    plain.close()


def test_follow_ups_are_signed_also_in_another_queue(app: RedisQ) -> None:
    app.queue("q").options(job_id="first").enqueue("pay", 1)
    queue: Any = app.queue("q")
    app.settings.server.ask(registration(app.settings, [queue._source], "w"))
    claimer = Claimer(app.settings, [queue._source], "w")
    (job,) = claimer.exchange([], 1)[1]
    current = CurrentJob(app.settings, "w", job, [], {})
    here = current.enqueue("pay", 2)
    there = current.enqueue(app.tasks["pay"].options(queue="p", timeout=7.0), 3)
    claimer.exchange([succeeded(job, b"null", DEFAULTS, current.follow())])
    drain(app.settings, queue._source)
    assert claim(app).id == here.id
    assert claim(app, "p").id == there.id
    claimer.close()


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("b", "[[1000],{}]"),
        ("b", ""),
        ("t", "refund"),
        ("t", ""),
        ("o", '{"timeout":1e9}'),
        ("o", None),
        ("sg", None),
        ("sg", "A" * 22),
        ("sg", "k:" + "A" * 22),
        ("sg", b"\xff\x00"),
    ],
)
def test_a_job_that_was_altered_goes_to_the_dead_letters(
    app: RedisQ, client: redis.Redis, caplog: pytest.LogCaptureFixture, field: str, value: Any
) -> None:
    job = app.tasks["pay"].options(timeout=5.0).enqueue(1)
    key = f"{BASE}job:{job.local_id}"
    if value is None:
        assert client.hdel(key, field)
    else:
        client.hset(key, field, value)
    with caplog.at_level(logging.WARNING):
        assert claim(app) is None
    why = "it is not signed" if (field, value) == ("sg", None) else "its signature"
    assert is_forged(job, why)
    assert f"job.forged id={job.id} " in caplog.text
    assert NEW not in caplog.text
    # tried again, it is looked at again
    job.retry()
    assert claim(app) is None
    assert is_forged(job, why)


def test_two_jobs_that_were_swapped(app: RedisQ, client: redis.Redis) -> None:
    one, two = app.tasks["pay"].enqueue(1), app.tasks["pay"].enqueue(1000)
    first, second = (f"{BASE}job:{job.local_id}" for job in (one, two))
    client.rename(first, "aside")
    client.rename(second, first)
    client.rename("aside", second)
    assert claim(app) is None
    assert is_forged(one)
    assert is_forged(two)


def test_a_copy_under_another_id_or_in_another_queue_or_namespace(
    app: RedisQ, client: redis.Redis, redis_url: str
) -> None:
    job = app.tasks["pay"].enqueue(1)
    elsewhere = RedisQ(redis_url, namespace="other", signing_keys=[NEW])
    for base, local_id in ((BASE, "copy"), ("redisq:{p}:", job.local_id), ("other:{q}:", job.local_id)):
        client.copy(f"{BASE}job:{job.local_id}", f"{base}job:{local_id}")
        client.lpush(f"{base}pending", local_id)
        client.lpush(f"{base}wake", 1) if not client.exists(f"{base}wake") else None
    client.sadd("redisq:queues", "p")
    assert claim(app).id == job.id
    assert claim(app) is None
    assert claim(app, "p") is None
    assert claim(elsewhere) is None
    assert is_forged(app.job("q.copy"))
    assert is_forged(app.job(f"p.{job.local_id}"))
    assert is_forged(elsewhere.job(job.id))
    elsewhere.close()


def test_one_that_says_that_it_is_over_is_looked_at_all_the_same(app: RedisQ, client: redis.Redis) -> None:
    job = app.tasks["pay"].enqueue(1)
    client.hset(f"{BASE}job:{job.local_id}", mapping={"ex": -1, "b": "[[2],{}]"})
    assert claim(app) is None
    assert is_forged(job)


def test_a_forged_job_with_a_feed_is_told_as_failed(app: RedisQ, client: redis.Redis) -> None:
    job = app.tasks["pay"].options(feed="f").enqueue(1)
    client.hset(f"{BASE}job:{job.local_id}", "b", "[[2],{}]")
    assert claim(app) is None
    with app.feed("f").claim(timeout=1.0) as told:
        assert told.job.id == job.id
        assert told.job.status == "failed"


def test_suspects_limits_and_deadlines_work_as_they_do(app: RedisQ, client: redis.Redis) -> None:
    limited = app.tasks["pay"].options(concurrency=1, key="k")
    one, two = limited.enqueue(1), limited.enqueue(2)
    delivery = app.queue("q").claim(timeout=0.0)
    assert delivery.job.id == one.id
    assert app.queue("q").claim(timeout=0.0) is None, "the limit of one was passed over"
    delivery.ack()
    assert claim(app).id == two.id
    late = app.tasks["pay"].options(expires=0.001).enqueue(3)
    while claim(app):
        pass
    assert late.refresh().status in ("cancelled", "succeeded")
    suspect = app.tasks["pay"].enqueue(4)
    client.rpoplpush(f"{BASE}pending", f"{BASE}suspects")
    assert claim(app).id == suspect.id


def test_an_entry_of_the_timetable_that_only_redis_has_is_not_signed_by_hand(app: RedisQ) -> None:
    entry = app.cron("0 0 1 1 *", app.tasks["pay"], name="yearly", args=[1])
    app.settings.server.ask([entry.definition.declaring(app.settings), ("SADD", "redisq:queues", "q")])
    entry.run()
    assert claim(app).args == [1]
    (found,) = app.timetable("q").entries()
    for one in (found, found.refresh()):
        with pytest.raises(InvalidOption, match="is not signed"):
            one.run()


def test_without_keys_nothing_is_written(redis_url: str, client: redis.Redis) -> None:
    plain = RedisQ(redis_url)
    job = plain.queue("q").options(job_id="j").put(1)
    assert b"sg" not in client.hgetall(f"{BASE}job:j")
    assert claim(plain).id == job.id
    plain.close()
