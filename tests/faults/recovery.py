"""How soon what a fault has hit goes on: seconds, from the facts of a run. Pure, as the checker is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.checker import MUTE, SOCKET_TIMEOUT
from tests.faults.facts import NEVER, Facts, Fault, Run

#: Faults of the server during which nobody can take anything back.
AWAY = ("kill-server", "stop-server", "pause-clients")
#: Faults that take a worker away, supervisor and all.
LOSSES = ("kill-worker", "kill-supervisor", "stop-worker")
#: Seconds that a worker has after a restart of the server; one that is itself hit until it runs a job does not count.
WATCHED = 6.0
#: Seconds that a worker needs to be itself again after a fault.
BOOT = 2.0


@dataclass
class Times:
    """Seconds, one for each job (or worker) that was hit. `clouded`: not counted, since more was hit at the time."""

    seconds: list[float] = field(default_factory=list)
    clouded: int = 0

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)


def of_children(facts: Facts) -> Times:
    """From the end of a child, killed or crashed by its job, until that job runs again."""
    times = Times()
    for run, again in _followed(facts):
        fault = next((fault for fault in facts.faults if fault.kind == "kill-child" and _broke_off(fault, run)), None)
        if fault is None and run.how != "crash":
            continue
        began = fault.start if fault else run.end
        if any(_hinders(other, run, began, again.start) for other in facts.faults if other is not fault):
            times.clouded += 1
        else:
            times.seconds.append(again.start - began)
    return times


def of_workers_jobs(facts: Facts) -> Times:
    """From the loss of a worker until a job that it ran runs again, elsewhere."""
    times = Times()
    hits = [fault for fault in facts.faults if fault.kind in LOSSES]
    outages = [fault for fault in facts.faults if fault.kind in AWAY]
    for run, again in _followed(facts):
        fault = next((fault for fault in hits if _broke_off(fault, run) and again.start > fault.start), None)
        if fault is None:
            continue
        if any(outage.start < again.start and outage.end > fault.start for outage in outages):
            times.clouded += 1
        else:
            times.seconds.append(again.start - fault.start)
    return times


def _followed(facts: Facts) -> Iterator[tuple[Run, Run]]:
    """Executions after which the job ran once more, each with the next one."""
    for runs in facts.runs.values():
        yield from pairwise(runs)


def _hinders(fault: Fault, run: Run, began: float, again: float) -> bool:
    """Whether the worker of a child that has ended, its network or the server was hit until its job ran again."""
    mine = fault.target == run.slot or fault.kind in (*AWAY, "deploy")
    return mine and fault.start < again and fault.end + SOCKET_TIMEOUT * (fault.kind == MUTE) > began


def _broke_off(fault: Fault, run: Run) -> bool:
    return bool(fault.pids & {run.pid, run.ppid}) and run.start <= fault.start < run.end


def of_server(facts: Facts) -> Times:
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
