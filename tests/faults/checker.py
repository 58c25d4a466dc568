"""The checker of a fault run: pure functions from facts to what is wrong. It reads no server and asks no library.

Each answers the offences that it found, as text; nothing found is an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise

from tests.faults.facts import Call, Facts, Fault, Record, Run
from tests.faults.workload import ENDS

ENDED = ("succeeded", "failed", "cancelled")
#: What a task leaves to be done when it succeeds: one job, under its own key and this.
FOLLOW = "/f"
FOLLOWED = ("chain", "across")
#: Sort of a job that is claimed by hand -> how it ends.
HAND_ENDS = {"ack": "succeeded", "nack-once": "succeeded", "release-once": "succeeded", "hold": "succeeded"}


def acknowledged(facts: Facts) -> list[Call]:
    return [call for call in facts.calls.values() if call.ids]


def lost(facts: Facts) -> list[str]:
    """Acknowledged, and not ended at the end; a follow-up that is missing; news not told; a task unfinished."""
    found = [
        f"{call.key} ({id_}): {record.status if record else 'gone'}"
        for call in acknowledged(facts)
        for id_ in call.ids
        if (record := facts.records.get(id_)) is None or record.status not in ENDED
    ]
    known = {record.key for record in facts.records.values() if record.status in ENDED}
    for record in facts.records.values():
        call = facts.calls.get(record.key or "")
        if call is None or record.status not in ENDED:
            continue
        if call.sort in FOLLOWED and record.status == "succeeded" and call.key + FOLLOW not in known:
            found.append(f"{call.key}: its follow-up is missing")
        if call.feed and record.id not in facts.told:
            found.append(f"{call.key} ({record.id}): its end was not told")
    found += [f"task {row.id} is {row.state} in the database" for row in facts.rows.values() if row.state not in ENDED]
    return found


def unexpected(facts: Facts) -> list[str]:
    """Ran, or is there, and was never asked for; or asked for once, and there twice."""
    ids: dict[str, set[str]] = {}
    for record in facts.records.values():
        ids.setdefault(record.key or "", set()).add(record.id)
    for runs in facts.runs.values():
        ids.setdefault(runs[0].key, set()).add(runs[0].id)
    found = []
    for key, known in ids.items():
        parent = facts.calls.get(key.removesuffix(FOLLOW))
        if parent is None or (key.endswith(FOLLOW) and parent.sort not in FOLLOWED):
            found.append(f"{key or 'a job without a key'}: never asked for ({', '.join(sorted(known))})")
        elif not key.endswith(FOLLOW) and len(known | parent.ids) > 1:
            found.append(f"{key}: there {len(known | parent.ids)} times ({', '.join(sorted(known | parent.ids))})")
        elif key.endswith(FOLLOW) and not any(_succeeded(facts, id_) for id_ in ids.get(parent.key, ())):
            found.append(f"{key}: its parent has not succeeded")
    return found


def unaccounted(facts: Facts) -> list[str]:
    """In no place, or in more than one; or something else that must not be in Redis."""
    found = [f"{record.id}: in {record.listed} places" for record in facts.records.values() if record.listed != 1]
    found += [f"{id_}: it ran, and there is no record of it" for id_ in facts.runs if id_ not in facts.records]
    return found + facts.broken


def completed_twice(facts: Facts) -> list[str]:
    """Two completions of one job, wherever they show: news, acks, follow-ups, the service's database."""
    found = []
    for id_, news in facts.told.items():
        record = facts.records.get(id_)
        ends = news | ({(record.status, record.token if record.status == "succeeded" else 0)} if record else set())
        if len(ends) > 1:
            found.append(f"{id_}: ended as {sorted(ends)}")
    for id_, runs in facts.runs.items():
        if sum(run.how == "acked" for run in runs) > 1:
            found.append(f"{id_}: acked twice")
    follow_ups: dict[str, int] = {}
    for record in facts.records.values():
        if record.key and record.key.endswith(FOLLOW):
            follow_ups[record.key] = follow_ups.get(record.key, 0) + 1
    found += [f"{key}: {count} follow-ups" for key, count in follow_ups.items() if count > 1]
    for row in facts.rows.values():
        record = facts.records.get(row.id)
        if record and row.state in ENDED and (row.state, row.token) != (record.status, _token(record)):
            found.append(f"{row.id}: {row.state} {row.token} in the database, {record.status} {record.token} in Redis")
    return found


def ended_wrongly(facts: Facts) -> list[str]:
    """A status that the job was not meant to have, and that no cancel and no series of faults has given it."""
    return [f"{record.id}: {wrong}" for record in facts.records.values() if (wrong := _wrong(facts, record))]


def _wrong(facts: Facts, record: Record) -> str | None:
    call = facts.calls.get((record.key or "").removesuffix(FOLLOW))
    if record.status not in ENDED or call is None:
        return None  # counted elsewhere
    sort = "noop" if (record.key or "").endswith(FOLLOW) else call.sort
    due = HAND_ENDS.get(sort) or ENDS.get(sort, "failed")
    answers = facts.cancels.get(record.id)
    if record.status == "cancelled":
        return None if answers is not None else "cancelled, and nobody asked for it"
    for at, status in answers or ():
        if status in ("running", "cancelled"):
            return f"{record.status}, after a cancel that was answered with {status} at {at:.1f}"
    if record.status == due:
        return None
    if record.status == "failed" and _worn_out(facts, record):
        return None
    return f"{record.status}, where {due} was due ({record.error})"


def _worn_out(facts: Facts, record: Record) -> bool:
    """Whether faults have ended it so often that it had to be given up."""
    broken_off = sum(run.how is None for run in facts.runs.get(record.id, ()))
    return broken_off >= 3 and (record.error or "").startswith(("crashed", "timeout"))


def started_late(facts: Facts) -> list[str]:
    """Started after a cancel that the server had answered with `cancelled`."""
    return [
        f"{id_}: started {run.start - at:.2f} s after it was cancelled"
        for id_, answers in facts.cancels.items()
        for at, status in answers
        for run in facts.runs.get(id_, ())
        if status == "cancelled" and run.start > at
    ]


#: The fault that may have an execution repeated, beside those of a process: a connection on which nothing comes. A lost
#: reply, a reset or an emptied cache of scripts may not, since what is sent again is known; nor may a server that is
#: away, since the leases that end meanwhile are only marked.
MUTE = "black-hole"
#: Seconds for which a black hole goes on after its end: a connection that is mute is given up after so long.
SOCKET_TIMEOUT = 5.0


def repeats(facts: Facts) -> Iterator[tuple[Run, Run, str | None]]:
    """Each execution of a job that had run before, with the one before it and why: None if nothing explains it."""
    crashes = [run for runs in facts.runs.values() for run in runs if run.how == "crash"]
    crashes_of: dict[int, list[Run]] = {}
    for run in crashes:
        crashes_of.setdefault(run.pid, []).append(run)
    for runs in facts.runs.values():
        for run, again in pairwise(runs):
            yield run, again, _reason(facts, run, again, crashes_of.get(run.pid, []))


def _reason(facts: Facts, run: Run, again: Run, crashes: list[Run]) -> str | None:
    if run.how in ("raise", "release", "crash"):
        return run.how
    for crash in crashes:
        if run.start <= crash.end <= again.start:
            return "crash of a neighbour"
    began = min(run.start, again.start)  # a zombie may begin what it had claimed when it is over elsewhere
    during = [fault for fault in facts.faults if fault.start <= again.start and began <= _effective_end(fault)]
    own = (fault.kind for fault in during if fault.pids & {run.pid, run.ppid})
    network = (fault.kind for fault in during if fault.kind == MUTE and fault.target == _port(run.slot))
    return next(chain(own, network), None)


def _effective_end(fault: Fault) -> float:
    return fault.end + (SOCKET_TIMEOUT if fault.kind == MUTE else 0.0)


def _port(slot: str) -> str:
    """The network's port that a part uses: its own, or the one of its kind."""
    return slot if slot.startswith("w") else {"c": "consumers", "p": "producers"}.get(slot[:1], "service")


#: How a run that is followed by another may have ended without that being a duplicate.
MEANT = ("raise", "release", "crash")


def unexplained(facts: Facts) -> list[str]:
    """Executions beyond the first that neither the job itself nor a fault on its worker has brought about."""
    return [
        f"{again.id} ({run.sort}): by {run.slot} at {run.start:.2f}-{run.end:.2f} ({run.how}), "
        f"again by {again.slot} at {again.start:.2f}"
        for run, again, reason in repeats(facts)
        if reason is None
    ]


def explained(facts: Facts) -> dict[str, int]:
    """Duplicates by what has brought them about."""
    counts: dict[str, int] = {}
    for _, _, reason in repeats(facts):
        if reason is not None and reason not in MEANT:
            counts[reason] = counts.get(reason, 0) + 1
    return counts


def late_settles(facts: Facts) -> tuple[int, list[str]]:
    """Executions that ended after the job had been started elsewhere: how many were refused, and which were not."""
    refused, accepted = 0, []
    for id_, runs in facts.runs.items():
        record = facts.records.get(id_)
        for run, again in pairwise(runs):
            if run.how in ("ok", "acked", "lost", "raise") and again.start < run.end:
                ends = {record.token if record else 0, *(token for _, token in facts.told.get(id_, ()))}
                if run.how == "acked" or run.token in ends:
                    accepted.append(
                        f"{id_}: {run.slot} ended at {run.end:.2f}, {again.slot} began at {again.start:.2f}"
                    )
                else:
                    refused += 1
    return refused, accepted


def _succeeded(facts: Facts, id_: str) -> bool:
    record = facts.records.get(id_)
    return record is not None and record.status == "succeeded"


def _token(record: Record) -> int:
    return record.token if record.status == "succeeded" else 0
