"""The web side of the queue: a server that is away is asked once per second, not by everybody."""

from __future__ import annotations

import pytest
from redisq_api.jobs import Breaker

import redisq


def test_a_failure_spares_the_others_for_a_second() -> None:
    now, asked = 1000.0, 0
    is_away = True

    def ask() -> str:
        nonlocal asked
        asked += 1
        if is_away:
            raise redisq.ServerUnavailable("away")
        return "here"

    breaker = Breaker(clock=lambda: now)
    assert [breaker.call(ask) for _ in range(3)] == [None] * 3
    assert asked == 1
    now += 1.0
    assert [breaker.call(ask) for _ in range(3)] == [None] * 3
    assert asked == 2
    is_away = False
    now += 1.0
    assert [breaker.call(ask) for _ in range(3)] == ["here"] * 3
    assert asked == 5


def test_one_tries_while_the_others_go_on_without() -> None:
    now = 1000.0
    breaker = Breaker(clock=lambda: now)

    def fail() -> None:
        raise redisq.ServerUnavailable("away")

    def take_long() -> tuple[str | None, str]:
        nonlocal now
        now += 5.0
        return breaker.call(lambda: "another"), "first"

    assert breaker.call(fail) is None
    now += 1.0
    assert breaker.call(take_long) == (None, "first")


def test_a_refusal_is_an_answer_too() -> None:
    breaker = Breaker()

    def refuse() -> None:
        raise redisq.ServerRefused("out of memory")

    assert breaker.call(refuse) is None
    assert breaker.call(lambda: "here") == "here"


def test_a_mistake_of_ours_is_not_swallowed() -> None:
    breaker = Breaker()
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    assert breaker.call(lambda: "here") == "here"
