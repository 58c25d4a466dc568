"""Dead letters of one cause are one group, whatever differs between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

import redisq
from redisq import errorgroups
from redisq.errorgroups import normalised

BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[redisq.RedisQ]:
    app = redisq.RedisQ(redis_url)
    yield app
    app.close()


def fail(app: redisq.RedisQ, task: str, error: BaseException | str) -> str:
    job = app.queue("q").options(max_attempts=1).enqueue(task)
    delivery = app.queue("q").claim()
    assert delivery is not None
    delivery.nack(error)
    return job.id


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("KeyError: 17", "KeyError", "#"),
        ("shop.errors.Gone: order 17 at 0x7f3a, 1.5 s", "shop.errors.Gone", "order # at #, # s"),
        ("ValueError: 6f9619ff-8b86-d011-b42d-00cf4fc964ff is none\nmore 5", "ValueError", "# is none"),
        ("Timeout", "Timeout", ""),
        ("connection refused: 127.0.0.1:80", "", "connection refused: #:#"),
        ("\n  \nKeyError: 'a'", "KeyError", "'a'"),
        ("", "", ""),
    ],
)
def test_what_differs_from_job_to_job_is_left_out(error: str, kind: str, message: str) -> None:
    assert normalised(error) == (kind, message)


def test_groups_the_largest_first(app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errorgroups, "_PORTION", 2)
    fail(app, "a", ValueError("order 1"))
    fail(app, "b", ValueError("order 1"))
    newest = fail(app, "a", ValueError("order 22"))
    groups = app.queue("q").error_groups()
    first, second = groups.groups
    assert (first.task, first.kind, first.message, first.count) == ("a", "ValueError", "order #", 2)
    assert (first.newest, first.first <= first.last) == (newest, True)
    assert (second.task, second.count) == ("b", 1)
    assert (groups.seen, groups.total, groups.is_sample) == (3, 3, False)
    sample = app.queue("q").error_groups(most=1)
    assert [group.newest for group in sample.groups] == [newest]
    assert (sample.seen, sample.total, sample.is_sample) == (1, 3, True)


def test_what_is_no_job_is_passed_over(app: redisq.RedisQ, client: redis.Redis) -> None:
    assert app.queue("q").error_groups() == redisq.ErrorGroups([], 0, 0)
    fail(app, "a", "no")
    client.zadd(f"{BASE}dead", {"gone": 1.0, "list": 2.0})
    client.rpush(f"{BASE}job:list", "x")
    assert [group.count for group in app.queue("q").error_groups().groups] == [1]
    with pytest.raises(redisq.InvalidOption):
        app.queue("q").error_groups(0)
