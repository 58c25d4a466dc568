"""How many jobs to claim at once: about as many as are done in a few milliseconds."""

from __future__ import annotations

#: Seconds that a batch should take: long beside a round trip, short beside what a person notices.
TARGET = 0.005
LARGEST = 500
_GROWTH = 8


class Pace:
    """Follows the mean time of a job. Begins with one job, and grows eightfold at most from claim to claim.

    `queues`: of several, a more important job may wait for two batches (see ahead.py), which are half as long then.
    """

    def __init__(self, queues: int = 1) -> None:
        self.budget = 1
        self._mean = 0.0
        self._share = 1 if queues == 1 else 2

    def note(self, jobs: int, seconds: float) -> None:
        """So many jobs took so long."""
        mean = seconds / jobs
        # a slow batch counts in full at once, a fast one little by little: too large a batch costs more than too small
        # a one
        self._mean = mean if mean > self._mean else 0.7 * self._mean + 0.3 * mean
        most = min(LARGEST, int(TARGET / max(self._mean, 1e-9))) // self._share
        self.budget = max(1, min(most, self.budget * _GROWTH))
