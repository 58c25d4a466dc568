"""Weighted queues, `high:6,low:1`: while both have jobs, six of seven come from `high`.

Each queue has a clock, which a claimed job moves on by one over the queue's weight; the one whose clock is behind comes
first. So the shares are right whether jobs are claimed one by one or by the hundred, nothing is left to chance, and no
queue starves. One that had nothing when it was its turn saves up nothing: its clock is set to that of the queue which
went instead.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .claimed import Claimed, Source
from .errors import InvalidOption
from .keys import check_name

LARGEST = 1000

_random = random.Random()  # not the module's own, whose sequence is the application's
os.register_at_fork(after_in_child=_random.seed)


class Queues(NamedTuple):
    """Names of queues, in the order in which they were given; their weights, if they have any."""

    names: list[str]
    weights: dict[str, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Queues:
        """`high,low` or `high:6,low:1`. InvalidName, InvalidOption."""
        parts = [part.partition(":") for part in text.split(",")]
        names = [check_name(name) for name, _, _ in parts]
        if len(set(names)) < len(names):
            raise InvalidOption(f"a queue is named twice: {text}")
        if not any(colon for _, colon, _ in parts):
            return cls(names)
        if bare := [name for name, colon, _ in parts if not colon]:
            raise InvalidOption(f"either all queues have a weight or none; without: {', '.join(bare)}")
        return cls(names, {name: _weight(name, weight) for name, _, weight in parts})


def _weight(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= LARGEST):
        raise InvalidOption(f"the weight of {name}: a whole number from 1 to {LARGEST}, not {text!r:.40}")
    return int(text)


class Weights:
    """Decides which of some sources comes first. Of one worker: each has its part of every queue."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._steps = {name: 1.0 / weight for name, weight in weights.items()}
        # somewhere in the first step: else many processes that start together would go on in step
        self._clocks = {name: _random.random() * step for name, step in self._steps.items()}

    def order(self, sources: Sequence[Source]) -> list[Source]:
        """These, the one whose turn it is first."""
        return sorted(sources, key=lambda source: self._clocks[source.name])

    def note(self, jobs: Iterable[Claimed]) -> None:
        """These, one at least, were claimed in that order."""
        counts = Counter(job.source.name for job in jobs)
        now = min(self._clocks[name] for name in counts)
        for name, clock in self._clocks.items():
            self._clocks[name] = max(clock, now) + counts[name] * self._steps[name]
