"""redisq doctor."""

from __future__ import annotations

import argparse

from ..doctor import Doctor
from .output import safe, show_json
from .shared import DONE, Commands, add_command, open_app, queue_name


def add(commands: Commands) -> None:
    parser = add_command(commands, "doctor", doctor, "find and mend what is not right")
    parser.add_argument("--queues", type=_queues, metavar="HIGH,LOW", help="default: all")
    parser.add_argument("--dry-run", action="store_true", help="only tell")


def doctor(args: argparse.Namespace) -> int:
    """Find and mend what is not right, a line for each."""
    app = open_app(args)
    names = args.queues or sorted(app.queue_names())
    found = 0
    for name in names:
        for finding in Doctor(app.settings, name, args.dry_run).run():
            found += 1
            if args.json:
                show_json(finding._asdict())
            else:
                print(safe(finding), flush=True)
    if not args.json:
        verb = "to mend (a dry run: nothing was done)" if args.dry_run else "mended"
        print(f"{len(names)} queues looked over, {found} {verb}")
    return DONE


def _queues(text: str) -> list[str]:
    return [queue_name(name) for name in text.split(",")]
