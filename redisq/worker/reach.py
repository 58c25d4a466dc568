"""How many jobs to claim, when it is not known beforehand whether they need a thread or the event loop."""

from __future__ import annotations

from collections.abc import Iterable

from .hands import Hands


class Reach:
    """As many as there are places, until jobs wait in vain for hands of one kind. From then on as many as such hands
    are free, so that whatever comes can start; and more, twice as many from claim to claim, while other kinds come.
    """

    def __init__(self) -> None:
        self._scarce: Hands | None = None
        self._beyond = 0

    def budget(self, places: int) -> int:
        return places if self._scarce is None else min(places, self._scarce.free + self._beyond)

    def note(self, wanted: Iterable[Hands]) -> None:
        """A claim has brought jobs for these."""
        if self._scarce is not None and any(hands is not self._scarce for hands in wanted):
            self._beyond = max(1, 2 * self._beyond)

    def stranded(self, hands: Hands) -> None:
        """A job has waited for these in vain."""
        self._scarce, self._beyond = hands, 0
