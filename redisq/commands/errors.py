"""redisq errors: dead letters, grouped by what went wrong."""

from __future__ import annotations

import argparse

import msgspec

from .output import moment, safe, show_json, show_table
from .shared import DONE, Commands, add_command, open_app, queue_name, say

#: Dead letters of a queue that are looked through.
MOST = 10_000
LONGEST_CELL = 80


def add(commands: Commands) -> None:
    parser = add_command(commands, "errors", errors, "dead letters, grouped by their error")
    parser.add_argument("queues", type=queue_name, nargs="*", metavar="QUEUE", help="default: all")


def errors(args: argparse.Namespace) -> int:
    """Group the newest dead letters of each queue by task and error, the largest group first."""
    app = open_app(args)
    rows: list[tuple[object, ...]] = []
    for name in args.queues or sorted(app.queue_names()):
        found = app.queue(name).error_groups(MOST)
        if found.is_sample:
            say(f"{name}: only the newest {found.seen} of {found.total} dead letters were looked through")
        for group in found.groups:
            if args.json:
                times = {"first": moment(group.first), "last": moment(group.last)}
                show_json({"queue": name, **msgspec.to_builtins(group), **times})
            error = safe(": ".join(filter(None, (group.kind, group.message))), LONGEST_CELL)
            last = moment(group.last, "seconds")
            rows.append((name, group.count, safe(group.task or "-"), error, last, safe(group.newest)))
    if args.json:
        return DONE
    if rows:
        show_table(("QUEUE", "COUNT", "TASK", "ERROR", "LAST", "NEWEST"), rows)
    else:
        print("no dead letters")
    return DONE
