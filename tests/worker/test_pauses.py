"""How long the next child has to wait."""

from __future__ import annotations

from redisq.worker.pauses import LONGEST_PAUSE, MANY_SHORT_LIVES, Pauses


def test_children_that_end_as_soon_as_they_begin_are_started_ever_later() -> None:
    pauses = Pauses()
    waits = [pauses.after(0.1) for _ in range(MANY_SHORT_LIVES + 20)]
    assert waits[:MANY_SHORT_LIVES] == [0.0] * MANY_SHORT_LIVES  # a few crashes are survived at once
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_PAUSE
    assert pauses.after(60.0) == 0.0
    assert pauses.after(0.1) == 0.0
