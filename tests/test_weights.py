"""Weighted queues: what the command line may say, and whose turn it is."""

from __future__ import annotations

from collections import Counter

import pytest

from redisq.claimed import Claimed, Source
from redisq.errors import InvalidName, InvalidOption
from redisq.weights import Queues, Weights

HIGH, MID, LOW = (Source(name, f"redisq:{{{name}}}:") for name in ("high", "mid", "low"))


def jobs(source: Source, count: int = 1) -> list[Claimed]:
    return [Claimed(source, b"j", 1, b"1", b"t", b"[[],{}]", None, b"1", None, None, None)] * count


@pytest.mark.parametrize(
    ("text", "names", "weights"),
    [
        ("high", ["high"], None),
        ("high,low", ["high", "low"], None),
        ("high:6,low:1", ["high", "low"], {"high": 6, "low": 1}),
        ("low:1000", ["low"], {"low": 1000}),
    ],
)
def test_what_it_may_be(text: str, names: list[str], weights: dict[str, int] | None) -> None:
    assert Queues.parse(text) == (names, weights)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("high:6,low", "without: low"),
        ("high,low:1", "without: high"),
        ("high:0", "1 to 1000"),
        ("high:1001", "1 to 1000"),
        ("high:", "1 to 1000"),
        ("high:-1", "1 to 1000"),
        ("high:1.5", "1 to 1000"),
        ("high:six", "1 to 1000"),
        ("high:٦", "1 to 1000"),
        ("high:1:2", "1 to 1000"),
        ("high: 6", "1 to 1000"),
        ("high:" + "9" * 5000, "1 to 1000"),
        ("high:6,high:1", "twice"),
        ("high,high", "twice"),
    ],
)
def test_what_it_may_not_be(text: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        Queues.parse(text)


@pytest.mark.parametrize("text", ["", ":6", "high:6,,low:1", "a b:1", "high;6"])
def test_a_name_that_cannot_be_is_called_so(text: str) -> None:
    with pytest.raises(InvalidName):
        Queues.parse(text)


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_the_shares_are_those_of_the_weights_however_many_are_claimed_at_once(batch: int) -> None:
    weights, counts = Weights({"high": 6, "mid": 3, "low": 1}), Counter[str]()
    for _ in range(10_000 // batch):
        first = weights.order([LOW, MID, HIGH])[0]
        weights.note(jobs(first, batch))
        counts[first.name] += batch
    for name, share in (("high", 6000), ("mid", 3000), ("low", 1000)):
        assert abs(counts[name] - share) <= 2 * batch + 10


def test_all_are_looked_at_each_time() -> None:
    weights = Weights({"high": 6, "low": 1})
    assert set(weights.order([LOW, HIGH])) == {LOW, HIGH}


def test_a_queue_that_had_nothing_saves_nothing_up() -> None:
    weights = Weights({"high": 6, "low": 1})
    for _ in range(1000):
        weights.note(jobs(LOW))
    turns = []
    for _ in range(70):
        first = weights.order([LOW, HIGH])[0]
        weights.note(jobs(first))
        turns.append(first)
    assert abs(turns.count(HIGH) - 60) <= 2


def test_a_claim_from_two_queues_counts_for_both() -> None:
    weights = Weights({"high": 6, "low": 1})
    weights.note([*jobs(HIGH, 60), *jobs(LOW, 10)])
    turns = []
    for _ in range(7):
        turns.append(weights.order([LOW, HIGH])[0])
        weights.note(jobs(turns[-1]))
    assert turns.count(LOW) == 1


def test_workers_that_begin_together_do_not_all_begin_with_the_same() -> None:
    firsts = {Weights({"high": 1, "low": 1}).order([LOW, HIGH])[0] for _ in range(100)}
    assert firsts == {LOW, HIGH}
