"""How soon what a fault has hit goes on: seconds, from the facts of a run. Pure, as the checker is."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.facts import NEVER, Facts, Fault, Run

#: Faults of the server during which nobody can take anything back.
AWAY = ("kill-server", "stop-server", "pause-clients")
#: Seconds that a worker has after a restart of the server; one that is itself hit until it runs a job does not count.
WATCHED = 6.0
#: Seconds that a worker needs to be itself again after a fault.
BOOT = 2.0


@dataclass
class Times:
    """Seconds, one for each job (or worker) that was hit. `clouded`: not counted, since the server was away as well."""

    seconds: list[float] = field(default_factory=list)
    clouded: int = 0

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)


def of_jobs(facts: Facts, kinds: tuple[str, ...]) -> Times:
    """From the fault until a job that ran in a process that it hit runs again."""
    times = Times()
    outages = [fault for fault in facts.faults if fault.kind in AWAY]
    hits = [fault for fault in facts.faults if fault.kind in kinds]
    for runs in facts.runs.values():
        for run, again in pairwise(runs):
            fault = next((fault for fault in hits if _broke_off(fault, run) and again.start > fault.start), None)
            if fault is None:
                continue
            if any(outage.start < again.start and outage.end > fault.start for outage in outages):
                times.clouded += 1
            else:
                times.seconds.append(again.start - fault.start)
    return times


def _broke_off(fault: Fault, run: Run) -> bool:
    return bool(fault.pids & {run.pid, run.ppid}) and run.start <= fault.start < run.end


def of_workers(facts: Facts) -> Times:
    """From the restart of the server until each worker has begun a job; those that were hit meanwhile do not count."""
    times = Times()
    starts: dict[str, list[float]] = {}
    for runs in facts.runs.values():
        for run in runs:
            starts.setdefault(run.slot, []).append(run.start)
    for up in (fault.end for fault in facts.faults if fault.kind == "kill-server" and fault.end < NEVER):
        for worker in facts.workers:
            first = min((start for start in starts.get(worker, ()) if start > up), default=NEVER)
            if any(_disturbs(fault, worker, up, first) for fault in facts.faults):
                times.clouded += 1
            else:
                times.seconds.append(first - up)
    return times


def _disturbs(fault: Fault, worker: str, up: float, first: float) -> bool:
    """Whether this worker, or the server again, was hit between the restart and the worker's first job."""
    mine = fault.target == worker or fault.kind == "deploy" or (fault.kind in AWAY and fault.end != up)
    return mine and fault.start < min(first, up + WATCHED) and fault.end + BOOT > up
