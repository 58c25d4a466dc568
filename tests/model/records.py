"""What the model notes of a job and of a worker, and what it is asked to settle. Times are ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LEASE = 3000
CRASH_LIMIT = 3
#: What is kept of ended jobs and dead letters: few, so that trimming is seen.
ENDED, DEAD, DEAD_TTL = 2, 3, 24 * 3600 * 1000
KEEP_EVERY = 100

UNFINISHED = ("queued", "scheduled", "running")
Holder = tuple[str, int]


@dataclass
class Job:
    """`left`: worker and delivery that put it back last. `ends`: how often it has ended; `noted`: which of its ends the
    reader of its feed has noted. `again`: (an entry of a feed) to be read once more. `failures`: number, start and end
    of the attempts that failed.
    """

    id: str
    named: bool = False
    feed: bool = False
    status: str = "queued"
    delivery: int = 0
    worker: str | None = None
    left: Holder | None = None
    attempts: int = 0
    postponed: int = 0
    crashes: int = 0
    suspicions: int = 0
    cancelled: bool = False
    untold: bool = False
    again: bool = False
    ended_at: int | None = None
    ends: int = 0
    noted: int = 0
    started: int = 0
    deadline: int | None = None
    failures: list[tuple[int, int, int]] = field(default_factory=list)

    def is_late(self, now: int) -> bool:
        return self.deadline is not None and now >= self.deadline

    @property
    def tombstone(self) -> int:
        return 600_000 if self.named else 60_000

    def is_held_by(self, holder: Holder) -> bool:
        return self.status == "running" and (self.worker, self.delivery) == holder


@dataclass
class Lease:
    """A worker's registration: end of its lease and mark of its expiry in ms, number of its last claim."""

    ends: float
    number: int = 0
    mark: float | None = None


@dataclass
class Ask:
    """What a claim asks for. `empty`: the worker holds nothing, of any queue. `kept`: it keeps house in the same write,
    and so will know what is due. `fresh`: over a new connection, so it also wants to know what it holds.
    """

    budget: int
    empty: bool
    kept: bool
    fresh: bool


@dataclass
class Follow:
    """A follow-up in the same queue."""

    id: str
    named: bool = False


@dataclass
class Settled:
    """One line of a settle. `follow` goes to the same queue, `forward` to another."""

    id: str
    delivery: int
    way: str
    ms: int = 0
    follow: Sequence[Follow] = ()
    forward: Sequence[bytes] = ()
