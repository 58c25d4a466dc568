"""Every round trip of a job's life, lost before it was sent, lost after it was executed, or the last of its process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from . import clock
from .life import Life
from .line import BEFORE, LOST, STOP, Line, Stopped
from .lives import LIVES

CASES = [
    (name, trip, fate)
    for name, (trips, _) in LIVES.items()
    for trip in range(1, trips + 1)
    for fate in (BEFORE, LOST, STOP)
]


@pytest.fixture
def life(redis_url: str) -> Iterator[Life]:
    with clock.in_place(), Line().in_place() as line, redis.Redis.from_url(redis_url) as client:
        life = Life(redis_url, client, line)
        yield life
        life.close()


@pytest.mark.parametrize("name", LIVES)
def test_a_life_makes_the_round_trips_that_are_enumerated(life: Life, name: str) -> None:
    trips, live = LIVES[name]
    live(life)
    assert life.line.trips == trips
    life.end()
    life.account()


@pytest.mark.parametrize(("name", "trip", "fate"), CASES, ids=[f"{n}-{t}-{f.replace(' ', '_')}" for n, t, f in CASES])
def test_whatever_happens_to_a_round_trip_each_job_ends_once(life: Life, name: str, trip: int, fate: str) -> None:
    _, live = LIVES[name]
    life.line.plan = {trip: fate}
    stopped = False
    try:
        live(life)
    except Stopped:
        stopped = True
    assert stopped == (fate == STOP)
    life.line.plan = {}
    life.end()
    life.account()
