"""How often open pages ask, with a clock that is moved by hand."""

from __future__ import annotations

from redisq_api.console.live import LEAST, MOST, Pace


class Clock:
    """Seconds, as many as have been told to pass."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def load(pages: int, cost: float, seconds: float) -> tuple[Pace, Clock, float]:
    """What so many pages use of the processor in the end, as a share, when each question costs so many seconds."""
    clock = Clock()
    pace = Pace(clock)
    start, used = clock.now, []
    pause = LEAST
    while clock.now < start + seconds:
        clock.now += pause / pages
        pause = pace.next(cost)
        used.append((clock.now, cost))
    recent = [cost for at, cost in used if at > start + seconds / 2]
    return pace, clock, sum(recent) / (seconds / 2)


def test_few_pages_ask_as_often_as_they_may() -> None:
    pace, _, share = load(pages=3, cost=0.005, seconds=300)
    assert pace.next(0.005) == LEAST
    assert share < 0.01


def test_many_pages_use_their_share_and_no_more() -> None:
    pace, _, share = load(pages=200, cost=0.005, seconds=600)
    assert 0.03 < share < 0.06
    assert LEAST < pace.next(0.005) < MOST


def test_no_page_waits_for_ever() -> None:
    pace, _, _ = load(pages=5_000, cost=0.05, seconds=200)
    assert pace.next(0.05) <= MOST


def test_when_they_are_gone_the_next_page_asks_often_again() -> None:
    pace, clock, _ = load(pages=200, cost=0.005, seconds=600)
    for _ in range(30):
        clock.now += LEAST
        pause = pace.next(0.005)
    assert pause < LEAST + 0.5


def test_a_clock_that_stands_still_breaks_nothing() -> None:
    pace = Pace(Clock())
    assert all(LEAST <= pace.next(0.01) <= MOST for _ in range(1000))
