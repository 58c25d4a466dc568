"""redisq jobs, redisq job: jobs to look at."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from ..app import RedisQ
from ..job import STATUSES, Job
from ..queue import age
from ..record import Record, record
from .output import as_json, duration, job_record, moment, safe, show_json, show_table
from .shared import DONE, Commands, add_command, add_filter, job_id, open_app, queue_name, say, whole_number

#: Jobs of a queue that are looked through for those that are meant.
LOOKED_THROUGH = 10_000
LONGEST_CELL = 60


def add(commands: Commands) -> None:
    parser = add_command(commands, "jobs", jobs, "list jobs, the newest first")
    parser.add_argument("--queue", type=queue_name, help="default: all")
    parser.add_argument("--status", choices=tuple(STATUSES.values()), help="default: any")
    add_filter(parser)
    parser.add_argument("--limit", type=whole_number, default=20, help="at most so many (default: %(default)s)")

    parser = add_command(commands, "job", job, "all about one job")
    parser.add_argument("id", type=job_id, metavar="ID", help="QUEUE.ID")


def jobs(args: argparse.Namespace) -> int:
    """List jobs, the newest first."""
    app = open_app(args)
    names = [args.queue] if args.queue else sorted(app.queue_names())
    listed = [_listed(app, name, args) for name in names]
    found = islice(heapq.merge(*listed, key=age, reverse=True), args.limit)
    if args.json:
        for one in found:
            show_json(job_record(one))
        return DONE
    rows = [
        (
            one.id,
            safe(one.task or "-", LONGEST_CELL),
            one.status,
            one.attempt,
            moment(one.created_at, "seconds") or "-",
            _note(one),
        )
        for one in found
    ]
    if rows:
        show_table(("ID", "TASK", "STATUS", "ATTEMPT", "CREATED", "NOTE"), rows)
    return DONE


def _listed(app: RedisQ, name: str, args: argparse.Namespace) -> Iterator[Job]:
    if args.task is args.text is args.since is None:
        yield from app.queue(name).jobs(args.status, args.limit)
        return
    number = 0
    for number, one in enumerate(app.queue(name).jobs(args.status, LOOKED_THROUGH), 1):  # noqa: B007
        if _is_meant(one, args):
            yield one
    if number == LOOKED_THROUGH:
        say(f"{name}: only the newest {LOOKED_THROUGH} jobs were looked through")


def _is_meant(one: Job, args: argparse.Namespace) -> bool:
    if args.task is not None and one.task != args.task:
        return False
    if args.since is not None and (one.created_at is None or one.created_at < args.since):
        return False
    if args.text is None:
        return True
    texts = one.id, as_json(one.payload if one.task is None else [one.args, one.kwargs]), one.error or ""
    return any(args.text.casefold() in text.casefold() for text in texts)


def _note(one: Job) -> str:
    if one.status == "running" and one.progress:
        return f"{one.progress['done']}/{one.progress['total']}"
    return safe(one.error.strip().rpartition("\n")[2], LONGEST_CELL) if one.error else ""


def job(args: argparse.Namespace) -> int:
    """Show all that is known about one job."""
    app = open_app(args)
    found = app.job(args.id)
    more = record(app.settings, args.id)
    if args.json:
        show_json(job_record(found) | _past(found) | msgspec.to_builtins(more))
        return DONE
    for name, text in chain(_lines(found), _more_lines(more), _past_lines(found)):
        first, *rest = text.split("\n")
        print(f"{name:10} {safe(first)}")
        for line in rest:
            print(f"{'':10} {safe(line)}")
    return DONE


def _past(one: Job) -> dict[str, Any]:
    """What becomes many lines for people."""
    history = [attempt | {key: moment(attempt[key]) for key in ("started_at", "ended_at")} for attempt in one.history]
    log = [{"time": moment(entry.time), "attempt": entry.attempt, "text": entry.text} for entry in one.logs()]
    return {"deadline": moment(one.deadline), "traceback": one.traceback, "history": history, "log": log}


def _past_lines(one: Job) -> Iterator[tuple[str, str]]:
    if one.traceback:
        yield "traceback", one.traceback.rstrip("\n")
    for attempt in one.history:
        ran = duration((attempt["ended_at"] - attempt["started_at"]).total_seconds())
        yield "failed", f"{moment(attempt['ended_at'])} attempt {attempt['attempt']}, after {ran}: {attempt['error']}"
    for entry in one.logs():
        yield "log", f"{moment(entry.time)} {entry.text}"


def _lines(one: Job) -> Iterator[tuple[str, str]]:
    yield "id", one.id
    yield "status", one.status
    if one.task is None:
        yield "payload", as_json(one.payload)
    else:
        yield "task", one.task
        if one.status != "succeeded":
            yield "args", as_json(one.args)
            yield "kwargs", as_json(one.kwargs)
    yield "attempt", str(one.attempt)
    if one.progress:
        yield "progress", f"{one.progress['done']}/{one.progress['total']}"
    times = (("created", one.created_at), ("started", one.started_at), ("finished", one.finished_at))
    for name, time in (*times, ("deadline", one.deadline)):
        if time is not None:
            yield name, str(moment(time))
    if one.started_at and one.finished_at:
        yield "ran for", duration((one.finished_at - one.started_at).total_seconds())
    if one.status == "succeeded":
        yield "result", as_json(one.result)
    if one.error:
        yield "error", one.error


def _more_lines(more: Record) -> Iterator[tuple[str, str]]:
    if more.due_at:
        yield "due", str(moment(more.due_at))
    if more.asked_to_stop:
        yield "asked", "to stop"
    for name in ("worker", "deliveries", "crashes", "postponed", "options", "feed"):
        if value := getattr(more, name):
            yield name, str(value)
    if more.kept_for is not None:
        yield "kept for", duration(more.kept_for)
