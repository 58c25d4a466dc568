"""How much of a queue waits in Redis: as much as goes in two seconds, whoever's it is."""

from __future__ import annotations

from redisq_api.room import Window


class Clock:
    """A time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_follows_what_is_done() -> None:
    clock = Clock()
    window = Window(clock)
    waiting = window.room(0, 0)
    assert 0 < waiting <= 1000
    window.came(waiting)
    for _ in range(100):  # 1000 jobs a second
        clock.now += 0.25
        waiting = max(0, waiting - 250)
        more = window.room(waiting, 2)
        window.came(more)
        waiting += more
    assert 1500 <= waiting <= 2500
    for _ in range(100):  # one job a second
        clock.now += 1.0
        waiting = max(0, waiting - 1)
        more = window.room(waiting, 2)
        window.came(more)
        waiting += more
    for _ in range(3000):
        clock.now += 1.0
        waiting = max(0, waiting - 1)
        more = window.room(waiting, 2)
        window.came(more)
        waiting += more
    assert waiting <= 20


def test_what_runs_at_once_always_finds_the_next() -> None:
    clock = Clock()
    window = Window(clock)
    window.room(0, 0)
    clock.now += 10.0
    assert window.room(0, 0) > 0
    assert window.room(0, 100) == 200
    assert window.room(150, 100) == 50
    assert window.room(500, 100) == 0
