"""How long the next child has to wait, when those before it ended as soon as they had begun."""

from __future__ import annotations

#: Seconds of a short life; after many of them in a row, the next child has to wait, longer and longer.
SHORT_LIFE = 1.0
MANY_SHORT_LIVES = 5
LONGEST_PAUSE = 5.0


class Pauses:
    """Counts short lives."""

    def __init__(self) -> None:
        self._short_lives = 0

    def after(self, lived: float) -> float:
        """A child has ended that lived for so many seconds: how many until another starts."""
        self._short_lives = 0 if lived > SHORT_LIFE else self._short_lives + 1
        over = self._short_lives - MANY_SHORT_LIVES
        return min(0.1 * 2.0 ** min(over, 10), LONGEST_PAUSE) if over > 0 else 0.0
