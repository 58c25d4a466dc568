"""The check of what is left in Redis can turn red: each rule is broken by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from redisq import RedisQ
from tests.invariants import check

BASE = "redisq:{q}:"

BREAK: dict[str, Callable[[redis.Redis], object]] = {
    "is in [": lambda client: client.zadd(f"{BASE}scheduled", {"a": 1}),
    "with status b'r'": lambda client: client.hset(f"{BASE}job:a", "s", "r"),
    "its record expires": lambda client: client.expire(f"{BASE}job:a", 60),
    "is in no place": lambda client: client.lrem(f"{BASE}pending", 1, "a"),
    "without a record": lambda client: client.delete(f"{BASE}job:a"),
    "nobody is told": lambda client: client.delete(f"{BASE}wake"),
    "2 tokens": lambda client: client.lpush(f"{BASE}wake", 1),
    "stays for ever": lambda client: client.persist(f"{BASE}job:ended"),
    "leak' stays": lambda client: client.set(f"{BASE}leak", 1),
    "is not registered": lambda client: client.lpush(f"{BASE}claimed:ghost", "a"),
    "stray": lambda client: client.set("redisq:stray", 1),
}


@pytest.mark.parametrize("said", list(BREAK))
def test_each_rule_that_is_broken_is_told(redis_url: str, said: str) -> None:
    app = RedisQ(redis_url)
    app.queue("q").options(job_id="a").put(1)
    app.queue("q").options(job_id="ended").put(1).cancel()
    with redis.Redis.from_url(redis_url) as client:
        check(client)
        BREAK[said](client)
        with pytest.raises(AssertionError) as caught:
            check(client)
    assert said in str(caught.value)
    app.close()


def test_the_feeds_of_a_queue_are_checked_too(redis_url: str) -> None:
    app = RedisQ(redis_url)
    app.queue("q").options(job_id="a", feed="news").put(1).cancel()
    with redis.Redis.from_url(redis_url) as client:
        check(client)
        client.delete(f"{BASE}feed:news:job:a")
        with pytest.raises(AssertionError, match="without a record"):
            check(client)
    app.close()
