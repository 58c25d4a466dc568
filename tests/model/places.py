"""The places of jobs in the model of a queue, or of a feed; how jobs come in, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from .records import CRASH_LIMIT, ENDED, UNFINISHED, Job, Lease


@dataclass
class Places:
    """`now` tells the time, ms. `feed`: who is told; None for a feed itself, where no crash is counted.

    Lists are as in Redis: new ids come in on the left, the next to run is on the right.
    """

    base: str
    now: Callable[[], int]
    feed: Places | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    scheduled: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    claimed: dict[str, list[str]] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    forward: list[bytes] = field(default_factory=list)
    control: dict[str, list[str]] = field(default_factory=dict)
    paused: bool = False
    kept: float = -inf
    #: the earliest due time of which those who sleep know
    known_due: float = inf
    _ending: list[str] = field(default_factory=list)

    @property
    def limit(self) -> int:
        return CRASH_LIMIT if self.feed else 0

    # Coming in

    def enqueue(
        self, job_id: str, delay: int = 0, named: bool = False, feed: bool = False, deadline: int | None = None
    ) -> bool:
        """Whether it made a job."""
        made = self._put(job_id, delay, named, feed)
        if made:
            self.jobs[job_id].deadline = deadline
        if made and not delay:
            self.pending.insert(0, job_id)
        return made

    def _put(self, job_id: str, delay: int, named: bool, feed: bool) -> bool:
        if job_id in self.jobs:
            return False
        self.jobs[job_id] = Job(job_id, named, feed)
        if delay:
            self._schedule(self.jobs[job_id], delay)
        return True

    def _schedule(self, job: Job, delay: int) -> None:
        job.status = "scheduled"
        self.scheduled[job.id] = self.now() + delay

    # Ending

    def _end(self, job: Job, status: str, listed: bool = True) -> None:
        assert job.status in UNFINISHED, f"{job} ends a second time"
        job.status, job.ended_at, job.ends = status, self.now(), job.ends + 1
        if status == "failed":
            self.dead[job.id] = self.now()
        elif listed:
            self._ending.append(job.id)
        if job.feed and self.feed:
            job.untold = True
            self.feed.tell(job.id)

    def tell(self, job_id: str) -> None:
        entry = self.jobs.get(job_id)
        if entry is None:
            self.enqueue(job_id)
        elif entry.status == "running":
            entry.again = True

    def told(self, job_id: str, end: int) -> None:
        """A reader has noted this end of the job."""
        job = self.jobs.get(job_id)
        if job is not None:
            job.noted = max(job.noted, end)
            entry = self.feed.jobs.get(job_id) if self.feed else None
            if not (entry and entry.again):
                job.untold = False

    def _list_ended(self) -> None:
        new, self._ending = self._ending, []
        self.ended[:0] = reversed(new)
        for _ in range(min(len(self.ended) - ENDED, 2 * len(new))):
            oldest = self.jobs[self.ended[-1]]
            assert oldest.ended_at is not None
            if oldest.untold or self.now() - oldest.ended_at < oldest.tombstone:
                return
            del self.jobs[self.ended.pop()]
