"""Policies as values: what is asked for, checked and put into words for the scripts."""

from __future__ import annotations

from typing import Any

import pytest

from redisq import InvalidOption, RedisQ
from redisq.policy import Policy, Unique, hooks, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("3/s", (3, 1000)),
        ("100/min", (100, 60_000)),
        ("10/5s", (10, 5000)),
        ("1/h", (1, 3_600_000)),
        ("2/2d", (2, 172_800_000)),
    ],
)
def test_rates(text: str, rate: tuple[int, int]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "3", "3/", "/s", "0/s", "3/0s", "-1/s", "3.5/s", "10001/s", "3/m", "3 / s", None, 3, "9" * 30]
)
def test_what_is_no_rate(text: Any) -> None:
    with pytest.raises(InvalidOption, match="limit"):
        Policy().with_({"limit": text} if text is not None else {"limit": 3.0})


@pytest.mark.parametrize(
    "changes",
    [
        {"concurrency": 0},
        {"concurrency": True},
        {"concurrency": "5"},
        {"concurrency": 10_001},
        {"key": 5},
        {"unique": 1.5},
        {"unique_until": "later"},
        {"unique_until": 0},
        {"unique_until": -1.0},
        {"unique_until": True},
        {"replace": True},
    ],
)
def test_what_cannot_be_asked_for(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Policy().with_(changes)
    with pytest.raises(InvalidOption):
        RedisQ().task("t", **changes)
    with pytest.raises(InvalidOption):
        RedisQ().queue("q").options(**changes)


def test_limits_count_per_task_or_per_key() -> None:
    policy = Policy(limit="3/s", concurrency=5)
    assert policy.limits("mail", (1,), {}) == [("mail", 5, 0), ("mail", 3, 1000)]
    keyed = policy.with_({"key": lambda user, **_: user})
    assert keyed.limits("mail", (7,), {"a": 1}) == [("mail:7", 5, 0), ("mail:7", 3, 1000)]
    assert policy.with_({"key": "all"}).limits("mail", (), {})[0][0] == "mail:all"


def test_a_key_that_cannot_be_part_of_a_redis_key_is_hashed() -> None:
    names = {
        Policy(concurrency=1, key=key).limits("t", (), {})[0][0] for key in ("a b", "=x", "ü", "x" * 200, "\ud800")
    }
    assert len(names) == 5
    assert all(len(name) == 32 and name.isalnum() for name in names)


def test_unique_by_arguments_by_text_and_by_function() -> None:
    same = [Policy(unique=True).only_one("t", b"[[1],{}]", (1,), {}) for _ in range(2)]
    assert same[0] == same[1] != Policy(unique=True).only_one("t", b"[[2],{}]", (2,), {})
    assert same[0] != Policy(unique=True).only_one("u", b"[[1],{}]", (1,), {})
    by_function = Policy(unique=lambda n: n % 2)
    assert by_function.only_one("t", b"", (1,), {}) == by_function.only_one("t", b"", (3,), {})
    assert Policy().only_one("t", b"", (), {}) is None


def test_what_hangs_on_a_job() -> None:
    assert hooks([], None) == b""
    assert hooks([("t", 5, 0)], Unique("k", "finished", False)) == b'{"l":[["t",5,0]],"u":"k"}'
    assert hooks([], Unique("k", "5000", False)) == b""  # it is for a time, whatever becomes of the job
