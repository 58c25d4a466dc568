"""How jobs go out to workers and come back from them, in the model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import inf

from .places import Places
from .records import LEASE, UNFINISHED, Ask, Holder, Job, Lease, Settled


class Transitions(Places):
    """What workers and their supervisors do."""

    # Going out

    def register(self, worker: str) -> None:
        self.leases[worker] = Lease(self.now() + LEASE)

    def renew(self, worker: str) -> int:
        lease = self.leases.get(worker)
        if lease is None:
            return 0
        lease.ends, lease.mark = self.now() + LEASE, None
        return 1

    def claim(self, worker: str, number: int, ask: Ask) -> str | list[Job]:
        """The jobs that a claim answers, the next to run first, or why there are none; `ask` is used up by it."""
        lease = self.leases.get(worker)
        reason, jobs = "", []
        if lease is None:
            reason = "unregistered"
        elif number < lease.number:
            reason = "stale"
        else:
            lease.mark = None
            if number == lease.number or ask.fresh:
                jobs += [self.jobs[job_id] for job_id in reversed(self.claimed.get(worker, []))]
            if number > lease.number and not self.paused:
                jobs += self._take(worker, ask, bool(jobs))
            lease.number = number
        if ask.kept and (self.paused or not (self.pending or self.suspects)):
            self.known_due = min(self.scheduled.values(), default=inf)
        return reason or jobs

    def _take(self, worker: str, ask: Ask, holds: bool) -> list[Job]:
        if ask.empty and not holds and ask.budget and self.suspects:
            ask.budget, ask.empty = 0, False  # it runs alone
            return [self._hold(self.jobs[self.suspects.pop()], worker)]
        taken: list[Job] = []
        while not taken and ask.budget and self.pending:
            # a piece of garbage takes a place in what is looked at, so fewer jobs may come than there are
            looked_at = [self.pending.pop() for _ in range(min(ask.budget, len(self.pending)))]
            for entry in looked_at:
                if entry in self.jobs:
                    taken.append(self._hold(self.jobs[entry], worker))
            for entry in looked_at:
                if entry not in self.jobs:
                    self._bury(entry)
        ask.budget -= len(taken)
        ask.empty = ask.empty and not (holds or taken)
        return taken

    def _hold(self, job: Job, worker: str) -> Job:
        job.status, job.worker, job.delivery = "running", worker, job.delivery + 1
        job.started = self.now()
        self.claimed.setdefault(worker, []).insert(0, job.id)
        return job

    def _bury(self, entry: str) -> None:
        job_id = entry
        if "!" in entry:  # what cannot be an id gets one
            job_id = f"garbage-{self.now()}-{hashlib.sha1(entry.encode()).hexdigest()[:12]}"
        self.jobs[job_id] = Job(job_id, status="failed", ended_at=self.now(), ends=1)
        self.dead[job_id] = self.now()

    # Coming back

    def settle(self, worker: str, settled: Sequence[Settled]) -> list[str]:
        ready: list[str] = []
        answers = [self._settle(worker, one, ready) for one in settled]
        self.pending[:0] = reversed(ready)
        self._list_ended()
        return answers

    def _settle(self, worker: str, one: Settled, ready: list[str]) -> str:
        job = self.jobs.get(one.id)
        holder = (worker, one.delivery)
        if job is None:
            return "done" if one.way == "g" else "lost"
        if not job.is_held_by(holder):
            was_ours = (job.worker, job.delivery) == holder and job.status not in UNFINISHED
            return "done" if was_ours or job.left == holder else "lost"
        self.claimed[worker].remove(one.id)
        way = "c" if job.cancelled else one.way
        if way in "rf":
            job.failures = [*job.failures, (job.attempts + 1, job.started, self.now())][-20:]
        if way == "r" and job.is_late(self.now() + one.ms):
            way = "c"
        if way in "sc":
            self._end(job, "succeeded" if way == "s" else "cancelled")
        elif way == "f":
            self._end(job, "failed")
        elif way == "g":
            self._read(job, holder, ready)
        else:
            self._back(job, one, holder, ready)
        if way == "s":
            ready += [new.id for new in one.follow if self._put(new.id, 0, new.named, False)]
            self.forward += one.forward
        return "ok"

    def _read(self, entry: Job, holder: Holder, ready: list[str]) -> None:
        if not entry.again:
            del self.jobs[entry.id]
            return
        entry.again, entry.status, entry.left = False, "queued", holder
        ready.append(entry.id)

    def _back(self, job: Job, one: Settled, holder: Holder, ready: list[str]) -> None:
        job.left, job.status = holder, "queued"
        if one.way == "l":
            self.pending.append(job.id)
            return
        job.attempts += one.way == "r"
        job.postponed += one.way == "p"
        if one.ms:
            self._schedule(job, one.ms)
        else:
            ready.append(job.id)

    def take_back(self, worker: str, ids: Sequence[str], blamed: str | None) -> None:
        """From a worker that will not finish them, the newest first. `blamed`: '' for nobody, None if nobody knows."""
        for job_id in ids:
            job = self.jobs[job_id]
            self.claimed[worker].remove(job_id)
            crashes = job.crashes + (job_id == blamed)
            if job.cancelled:
                job.worker = None
                self._end(job, "cancelled")
            elif job_id == blamed and self.limit and crashes >= self.limit:
                job.worker, job.crashes = None, crashes
                self._end(job, "failed")
            else:
                job.crashes, job.suspicions = crashes, job.suspicions + (blamed is None)
                job.status, job.worker = "queued", None
                (self.suspects if job.suspicions > 1 else self.pending).append(job_id)

    def give_back(self, worker: str, blamed: str) -> int:
        ids = list(self.claimed.get(worker, []))
        self.take_back(worker, ids, blamed)
        self._deregister(worker)
        self._list_ended()
        return len(ids)

    def release(self, worker: str, running: str) -> int:
        """What is behind the job that runs is given back; all, if `running` is ''."""
        ids = self.claimed.get(worker, [])
        if running and running not in ids:
            return 0
        behind = ids[: ids.index(running)] if running else list(ids)
        self.take_back(worker, behind, "")
        self._list_ended()
        return len(behind)

    def _deregister(self, worker: str) -> None:
        self.claimed.pop(worker, None)
        self.leases.pop(worker, None)
        self.control.pop(worker, None)
