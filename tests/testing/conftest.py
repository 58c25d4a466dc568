from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from redisq import RedisQ
from redisq.testing import connected
from tests.invariants import check


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    """One that was made for a server which is not there, and moved; what it leaves is checked."""
    with connected(RedisQ("redis://127.0.0.1:1/0", patience=1.0), redis_url) as app:
        yield app
        with redis.Redis.from_url(redis_url) as client:
            check(client)
