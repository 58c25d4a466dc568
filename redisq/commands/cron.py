"""redisq cron: the timetable, as the workers have declared it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..app import RedisQ
from ..cron import CronEntry
from ..errors import CronNotFound

#: Seconds for which a command waits for a server that does not answer.
PATIENCE = 3.0
HEADERS = ("NAME", "QUEUE", "TASK", "SCHEDULE", "LAST", "NEXT", "STATE")


def add(commands: Any) -> None:
    """The parsers of the group."""
    parser = commands.add_parser("cron", help="the timetable", description=__doc__, allow_abbrev=False)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add(actions, "list", show, "list the entries: their schedules, last and next ticks")
    for name, run, help in (
        ("pause", pause, "let an entry start no job until it is resumed"),
        ("resume", resume, "let it go on with its next tick"),
        ("run", run_now, "enqueue a job of an entry now"),
        ("forget", forget, "delete what is kept of an entry that is gone from the code"),
    ):
        action = _add(actions, name, run, help)
        action.add_argument("name", metavar="NAME")
        action.add_argument("--queue", help="if entries of several queues have this name")


def _add(actions: Any, name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help, description=run.__doc__, allow_abbrev=False)
    parser.add_argument("--url", help="the server (default: $REDISQ_URL)")
    parser.add_argument("--namespace", default="redisq", help="what all keys begin with (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)
    return parser


def show(args: argparse.Namespace) -> int:
    """List the entries that workers have declared, with their last and next ticks (UTC). Overdue is one to whose ticks
    nobody sees: no worker runs on its queue, or its code is gone.
    """
    entries = _entries(_app(args))
    if args.json:
        for entry in entries:
            print(json.dumps(_record(entry)))
    elif entries:
        _print_table([HEADERS, *map(_row, entries)])
    else:
        print("no entries: no worker that has any was ever started")
    return 0


def pause(args: argparse.Namespace) -> int:
    """Let an entry start no job until it is resumed; its ticks meanwhile are passed over. Workers need no restart."""
    return _tell(args, _find(args).pause())


def resume(args: argparse.Namespace) -> int:
    """Let an entry go on with its next tick."""
    return _tell(args, _find(args).resume())


def run_now(args: argparse.Namespace) -> int:
    """Enqueue a job of an entry now, beside its ticks, also while it is paused. Prints the job's id."""
    job = _find(args).run()
    print(json.dumps({"id": job.id}) if args.json else job.id)
    return 0


def forget(args: argparse.Namespace) -> int:
    """Delete what is kept of an entry. If a worker still has it in its code, it begins anew."""
    entry = _find(args)
    entry.forget()
    print(json.dumps({"name": entry.name, "queue": entry.queue}) if args.json else f"{entry.name}: forgotten")
    return 0


def _app(args: argparse.Namespace) -> RedisQ:
    return RedisQ(args.url, namespace=args.namespace, patience=PATIENCE)


def _entries(app: RedisQ) -> list[CronEntry]:
    return [entry for queue in sorted(app.queue_names()) for entry in app.timetable(queue).entries()]


def _find(args: argparse.Namespace) -> CronEntry:
    app = _app(args)
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
    print(json.dumps(_record(entry)) if args.json else f"{entry.name}: {_state(entry) or 'goes on'}")
    return 0


def _record(entry: CronEntry) -> dict[str, Any]:
    names = ("name", "queue", "task", "schedule", "catch_up", "paused", "overdue", "last_job")
    times = {"last": entry.last, "next": entry.next}
    return {name: getattr(entry, name) for name in names} | {name: _time(time) for name, time in times.items()}


def _row(entry: CronEntry) -> tuple[str, ...]:
    last, upcoming = _time(entry.last) or "-", _time(entry.next) or "-"
    return entry.name, entry.queue, entry.task, entry.schedule, last, upcoming, _state(entry)


def _state(entry: CronEntry) -> str:
    return "paused" if entry.paused else "overdue" if entry.overdue else ""


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _print_table(rows: list[tuple[str, ...]]) -> None:
    # what stands in Redis may have been written by anybody: nothing of it is to be obeyed by a terminal
    cells = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
