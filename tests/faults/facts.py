"""What a fault run's files say, in the form in which the checker looks at it. Reading only; no judgement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.history import Event

NEVER = float("inf")


@dataclass
class Call:
    """What a producer asked for under one key. `ids`: under which ids it was told that the queue has it."""

    key: str
    sort: str
    feed: bool = False
    ids: set[str] = field(default_factory=set)


@dataclass
class Run:
    """One execution. Delivered under `token`, by process `pid`, whose parent is `ppid`, of the part `slot`.

    `how` it ended: ok (its settle is about to be sent), raise (likewise, or a nack that was answered), crash (it ends
    its process), release, acked (the server has said so), lost (the server refused), unknown; None: it was not heard of
    again.
    """

    key: str
    sort: str
    id: str
    token: int
    pid: int
    ppid: int
    slot: str
    start: float
    end: float = NEVER
    how: str | None = None


@dataclass
class Fault:
    """What the nemesis did, and from when to when."""

    n: int
    kind: str
    target: str
    pids: frozenset[int]
    start: float
    end: float = NEVER


class Record(NamedTuple):
    """A job as Redis shows it at the end. `listed`: how often it was met in all places together."""

    id: str
    status: str
    key: str | None
    token: int
    error: str | None
    listed: int


class Row(NamedTuple):
    """A task as the service's database shows it at the end."""

    id: str
    state: str
    token: int


@dataclass
class Facts:
    """All that is known of one run. `broken`: what else was wrong in Redis; `held`: what did not end in good time."""

    lease: float = 2.0
    calls: dict[str, Call] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    missed: int = 0
    cancels: dict[str, list[tuple[float, str | None]]] = field(default_factory=dict)
    told: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    died: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


def gather(events: Iterable[Event]) -> Facts:
    """The facts in a history and in the final state, which is written in the same form."""
    facts = Facts()
    open_runs: dict[tuple[str, int, int], Run] = {}
    faults: dict[int, Fault] = {}
    ends: list[Event] = []
    for event in events:
        kind = event["e"]
        if kind == "start":
            names = ("key", "sort", "id", "token", "pid", "ppid", "slot")
            run = Run(**{name: event[name] for name in names}, start=event["t"])
            facts.runs.setdefault(run.id, []).append(run)
            open_runs[run.id, run.token, run.pid] = run
        elif kind == "end":
            ends.append(event)
        elif kind == "fault":
            faults[event["n"]] = Fault(event["n"], event["kind"], event["target"], frozenset(event["pids"]), event["t"])
        elif kind == "over":
            faults[event["n"]].end = event["t"]
        else:
            _take(facts, event)
    for event in ends:
        run = open_runs[event["id"], event["token"], event["pid"]]
        run.end, run.how = event["t"], event["how"]
    for runs in facts.runs.values():
        runs.sort(key=lambda run: run.token)
    facts.faults = sorted(faults.values(), key=lambda fault: fault.start)
    return facts


def _take(facts: Facts, event: Event) -> None:
    """The events that stand alone."""
    match event["e"]:
        case "invoke":
            for key, sort in zip(event["keys"], event["sorts"], strict=True):
                facts.calls[key] = Call(key, sort, event["feed"])
        case "ack":
            for key, id_ in zip(event["keys"], event["ids"], strict=True):
                facts.calls[key].ids.add(id_)
        case "cancel":
            facts.cancels.setdefault(event["id"], [])
        case "cancelled":
            facts.cancels[event["id"]].append((event["t"], event["status"]))
        case "told":
            facts.told.setdefault(event["id"], set()).add((event["status"], event["token"]))
        case "died":
            facts.died.append(f"{event['slot']} (exit code {event['code']})")
        case "missed":
            facts.missed += 1
        case "run":
            facts.lease, facts.workers = event["lease"], event["workers"]
        case "record":
            facts.records[event["id"]] = Record(*_fields(event, Record))
        case "row":
            facts.rows[event["id"]] = Row(*_fields(event, Row))
        case "broken":
            facts.broken.append(event["what"])
        case "held":
            facts.held.append(event["what"])


def _fields(event: Event, kind: Any) -> Iterable[Any]:
    return (event[name] for name in kind._fields)
