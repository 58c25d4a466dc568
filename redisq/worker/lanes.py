"""The board of a child that runs several jobs at once: a slot for each, beside the child's own."""

from __future__ import annotations

import mmap

from .board import SIZE, Running, Slot


class Lanes(Slot):
    """A child's own slot, in which no job is ever announced, and one for each job that may run.

    In a lane, `start` and `idle` take turns: the loop announces a job, whoever has run it clears it.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        memory = memoryview(mmap.mmap(-1, SIZE * count))
        self.lanes = [Slot(memory[SIZE * i : SIZE * (i + 1)]) for i in range(count)]

    def all_running(self) -> list[Running]:
        """The jobs that run."""
        return [running for lane in self.lanes if (running := lane.running()) is not None]

    def last_sign(self) -> float:
        return max(self.last_beat(), *(lane.last_sign() for lane in self.lanes))

    def close(self) -> None:
        super().close()
        for lane in self.lanes:
            lane.close()
