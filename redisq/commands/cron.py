"""redisq cron: the timetable, as the workers have declared it."""

from __future__ import annotations

import argparse
from typing import Any

from ..app import RedisQ
from ..cron import CronEntry
from ..errors import CronNotFound
from .output import moment, safe, show_json, show_table
from .shared import DONE, Commands, add_command, open_app, queue_name

HEADERS = ("NAME", "QUEUE", "TASK", "SCHEDULE", "LAST", "NEXT", "STATE")


def add(commands: Commands) -> None:
    """The parsers of the group."""
    parser = commands.add_parser("cron", help="the timetable", description=__doc__, allow_abbrev=False)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add_command(actions, "list", show, "list the entries: their schedules, last and next ticks")
    for name, run, help in (
        ("pause", pause, "let an entry start no job until it is resumed"),
        ("resume", resume, "let it go on with its next tick"),
        ("run", run_now, "enqueue a job of an entry now"),
        ("forget", forget, "delete what is kept of an entry that is gone from the code"),
    ):
        action = add_command(actions, name, run, help)
        action.add_argument("name", metavar="NAME")
        action.add_argument("--queue", type=queue_name, help="if entries of several queues have this name")


def show(args: argparse.Namespace) -> int:
    """List the entries that workers have declared, with their last and next ticks (UTC). Overdue is one to whose ticks
    nobody sees: no worker runs on its queue, or its code is gone.
    """
    entries = _entries(open_app(args))
    if args.json:
        for entry in entries:
            show_json(_record(entry))
    elif entries:
        show_table(HEADERS, [_row(entry) for entry in entries])
    else:
        print("no entries: no worker that has any was ever started")
    return DONE


def pause(args: argparse.Namespace) -> int:
    """Let an entry start no job until it is resumed; its ticks meanwhile are passed over. Workers need no restart."""
    return _tell(args, _find(args).pause())


def resume(args: argparse.Namespace) -> int:
    """Let an entry go on with its next tick."""
    return _tell(args, _find(args).resume())


def run_now(args: argparse.Namespace) -> int:
    """Enqueue a job of an entry now, beside its ticks, also while it is paused. Prints the job's id."""
    job = _find(args).run()
    if args.json:
        show_json({"id": job.id})
    else:
        print(safe(job.id))
    return DONE


def forget(args: argparse.Namespace) -> int:
    """Delete what is kept of an entry. If a worker still has it in its code, it begins anew."""
    entry = _find(args)
    entry.forget()
    if args.json:
        show_json({"name": entry.name, "queue": entry.queue})
    else:
        print(f"{safe(entry.name)}: forgotten")
    return DONE


def _entries(app: RedisQ) -> list[CronEntry]:
    return [entry for queue in sorted(app.queue_names()) for entry in app.timetable(queue).entries()]


def _find(args: argparse.Namespace) -> CronEntry:
    app = open_app(args)
    if args.queue is not None:
        return app.timetable(args.queue).find(args.name)
    found = [entry for entry in _entries(app) if entry.name == args.name]
    if len(found) > 1:
        queues = ", ".join(entry.queue for entry in found)
        raise CronNotFound(f"entries of several queues have the name {args.name!r}: say which with --queue ({queues})")
    if not found:
        raise CronNotFound(f"no entry {args.name!r:.100}: redisq cron list shows all")
    return found[0]


def _tell(args: argparse.Namespace, entry: CronEntry) -> int:
    if args.json:
        show_json(_record(entry))
    else:
        print(f"{safe(entry.name)}: {_state(entry) or 'goes on'}")
    return DONE


def _record(entry: CronEntry) -> dict[str, Any]:
    names = ("name", "queue", "task", "schedule", "catch_up", "paused", "overdue", "last_job")
    times = {"last": entry.last, "next": entry.next}
    return {name: getattr(entry, name) for name in names} | {
        name: moment(time, "seconds") for name, time in times.items()
    }


def _row(entry: CronEntry) -> tuple[str, ...]:
    last, upcoming = moment(entry.last, "seconds") or "-", moment(entry.next, "seconds") or "-"
    return entry.name, entry.queue, entry.task, entry.schedule, last, upcoming, _state(entry)


def _state(entry: CronEntry) -> str:
    return "paused" if entry.paused else "overdue" if entry.overdue else ""
