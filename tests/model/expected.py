"""What the protocol promises, as plain Python without any server: one queue, or one feed of a queue, and its jobs.

It is written from the design, not from the scripts.
"""

from __future__ import annotations

from math import inf

from .records import DEAD, DEAD_TTL, KEEP_EVERY, LEASE, UNFINISHED, Job
from .transitions import Transitions


class Queue(Transitions):
    """And what housekeeping and people do."""

    # Keeping house

    def keep(self) -> int:
        """Promote what is due, and take back from the dead. Answers in how many ms there is something to do again."""
        now = self.now()
        for _, job_id in sorted((due, job_id) for job_id, due in self.scheduled.items() if due <= now):
            del self.scheduled[job_id]
            self.jobs[job_id].status = "queued"
            self.pending.insert(0, job_id)
        again = inf
        if self.kept > now or now - self.kept >= KEEP_EVERY:
            unseen = now - self.kept if self.kept > 0 else 0
            self.kept = now
            again = self._reap(unseen)
            self._cut_lease()
            self._list_ended()
            self._forget_dead()
        elif any(lease.ends <= now for lease in self.leases.values()):
            again = self.kept + KEEP_EVERY
        ends = [lease.ends for lease in self.leases.values() if lease.ends > now]
        at = min([again, *self.scheduled.values(), *ends])
        return -1 if at == inf else max(0, int(at - now))

    def _reap(self, unseen: float) -> float:
        """Of `unseen` ms, in which nobody looked, little counts for the marks."""
        now, again = self.now(), inf
        uncounted = int(max(0, unseen - max(LEASE / 8, 150)))
        late = sorted((lease.ends, worker) for worker, lease in self.leases.items() if lease.ends <= now)
        for _, worker in late:
            lease = self.leases[worker]
            marked = lease.mark is not None and lease.mark <= now
            lease.mark = min(now, (lease.mark or 0) + uncounted) if marked else now
            if now - lease.mark >= LEASE / 3:
                ids = list(self.claimed.get(worker, []))
                self.take_back(worker, ids, ids[0] if len(ids) == 1 else None)
                self._deregister(worker)
            else:
                again = min(again, lease.mark + LEASE / 3, now + LEASE / 12)
        return again

    def _cut_lease(self) -> None:
        """After the clock stepped back, no lease ends later than a lease from now."""
        if self.leases:
            last = max(self.leases, key=lambda worker: (self.leases[worker].ends, worker))
            self.leases[last].ends = min(self.leases[last].ends, self.now() + LEASE)

    def _forget_dead(self) -> None:
        oldest = sorted((at, job_id) for job_id, at in self.dead.items())
        over = len(oldest) - DEAD
        old = oldest[:over] if over > 0 else [row for row in oldest if row[0] <= self.now() - DEAD_TTL]
        for _, job_id in old:
            del self.dead[job_id]
            if not self.jobs[job_id].untold:
                del self.jobs[job_id]

    # What people do

    def cancel(self, job_id: str) -> None:
        job = self.jobs[job_id]
        if job.status == "running":
            job.cancelled = True
            self.control.setdefault(str(job.worker), []).append(job_id)
        elif job.status in UNFINISHED:
            self._take_out(job_id)
            self._end(job, "cancelled")
            self._list_ended()

    def revive(self, job_id: str) -> None:
        if job_id in self.dead:
            del self.dead[job_id]
            old = self.jobs[job_id]
            self.jobs[job_id] = Job(
                job_id, old.named, old.feed, delivery=old.delivery, untold=old.untold, ends=old.ends, noted=old.noted
            )
            self.pending.insert(0, job_id)

    def delete(self, job_id: str) -> bool:
        """Whether that could be: not while it runs."""
        job = self.jobs[job_id]
        if job.status == "running":
            return False
        if job.status in UNFINISHED:
            self._take_out(job_id)
            self._end(job, "cancelled", listed=False)
        self.dead.pop(job_id, None)
        if job_id in self.ended:
            self.ended.remove(job_id)
        if not job.untold:
            del self.jobs[job_id]
        return True

    def _take_out(self, job_id: str) -> None:
        self.scheduled.pop(job_id, None)
        for place in (self.pending, self.suspects):
            if job_id in place:
                place.remove(job_id)

    def purge(self) -> int:
        """How many were cancelled. What is no job goes to the dead letters."""
        ids = [*reversed(self.pending), *reversed(self.suspects)]
        ids += [job_id for _, job_id in sorted((due, job_id) for job_id, due in self.scheduled.items())]
        for job_id in ids:
            self._take_out(job_id)
            if job_id in self.jobs:
                self._end(self.jobs[job_id], "cancelled")
            else:
                self._bury(job_id)
        cancelled = len(self._ending)
        self._list_ended()
        return cancelled

    def counts(self) -> dict[str, int]:
        return {
            "scheduled": len(self.scheduled),
            "queued": len(self.pending) + len(self.suspects),
            "running": sum(map(len, self.claimed.values())),
            "failed": len(self.dead),
        }
