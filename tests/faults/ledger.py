"""The ledger of a fault run: what was found, as it is printed, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults import checker, recovery
from tests.faults.facts import Facts

#: Seconds until a dead child's job runs again, until every worker claims after a restart; leases for a killed worker.
CHILD_LIMIT = 1.0
SERVER_LIMIT = 5.0
WORKER_LIMIT = 1.5
EXAMPLES = 5


@dataclass
class Ledger:
    """`columns`: what has to be zero, with what was found. `limits`: seconds measured, and what they may be."""

    facts: Facts
    columns: dict[str, list[str]] = field(default_factory=dict)
    limits: dict[str, tuple[recovery.Times, float]] = field(default_factory=dict)
    refused: int = 0

    @property
    def red(self) -> list[str]:
        """Why the run has failed; empty if it has not."""
        found = [name for name, offences in self.columns.items() if offences]
        found += [name for name, (times, limit) in self.limits.items() if times.longest > limit]
        return found


def draw_up(facts: Facts) -> Ledger:
    ledger = Ledger(facts)
    ledger.refused, accepted = checker.late_settles(facts)
    ledger.columns = {
        "lost": checker.lost(facts),
        "unexpected": checker.unexpected(facts),
        "unaccounted": checker.unaccounted(facts),
        "double completions": checker.completed_twice(facts),
        "unexplained duplicates": checker.unexplained(facts),
        "held up": facts.held,
        "ended wrongly": checker.ended_wrongly(facts),
        "started after a cancel": checker.started_late(facts),
        "late settles accepted": accepted,
        "processes that died by themselves": facts.died,
    }
    ledger.limits = {
        "dead child: its job runs again": (recovery.of_children(facts), CHILD_LIMIT),
        "lost worker: its jobs run again": (recovery.of_workers_jobs(facts), WORKER_LIMIT * facts.lease),
        "restarted server: each worker runs a job": (recovery.of_server(facts), SERVER_LIMIT),
    }
    return ledger


def lines(ledger: Ledger) -> list[str]:
    """The ledger as text."""
    facts = ledger.facts
    acknowledged = checker.acknowledged(facts)
    kinds = Counter(fault.kind for fault in facts.faults)
    statuses = Counter(record.status for record in facts.records.values())
    runs = sum(map(len, facts.runs.values()))
    repeats = checker.explained(facts)
    meant = sum(reason in checker.MEANT for _, _, reason in checker.repeats(facts))
    text = [
        _row("invoked", len(facts.calls)),
        _row("acknowledged", len(acknowledged)),
        _row("of them through the REST service", len(facts.rows)),
        _row("ended, with what they had enqueued", _counts(statuses)),
        _row("ends told through a feed", len(facts.told)),
        _row("executions", f"{runs}, of which {meant} were meant to follow one that failed, crashed or gave back"),
        _row("faults", f"{len(facts.faults)} of {len(kinds)} kinds ({facts.missed} found nothing to hit)"),
        *_list(kinds),
        _row("duplicates, explained", sum(repeats.values())),
        *_list(repeats),
    ]
    for name, offences in ledger.columns.items():
        text.append(_row(name, len(offences)))
        text += [f"    {offence}" for offence in offences[:EXAMPLES]]
    text.append(_row("late settles refused", ledger.refused))
    text += [_times(name, times, limit, facts.lease) for name, (times, limit) in ledger.limits.items()]
    return [*text, _row("verdict", "RED: " + ", ".join(ledger.red) if ledger.red else "green")]


def _row(name: str, value: object) -> str:
    return f"{name:<42} {value}"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _list(counts: Counter[str] | dict[str, int]) -> Sequence[str]:
    return [f"    {name:<38} {count}" for name, count in sorted(counts.items())]


def _times(name: str, times: recovery.Times, limit: float, lease: float) -> str:
    """Median and longest, in seconds and leases."""
    ordered = sorted(times.seconds) or [0.0]
    median, longest = ordered[len(ordered) // 2], ordered[-1]
    return _row(
        name,
        f"median {median:.2f} s, longest {longest:.2f} s = {longest / lease:.2f} leases "
        f"(at most {limit:g} s; {len(times.seconds)} measured, {times.clouded} not, since more fell together)",
    )
