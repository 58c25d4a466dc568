"""redisq purge, pause, resume: whole queues."""

from __future__ import annotations

import argparse

from .. import bulk
from .output import show_json
from .progress import add_up, progress
from .shared import DONE, Commands, add_command, confirm, open_app, queue_name, say


def add(commands: Commands) -> None:
    parser = add_command(commands, "purge", purge, "cancel all jobs of a queue that wait")
    parser.add_argument("queue", type=queue_name, metavar="QUEUE")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    for name, run, help in (
        ("pause", pause, "let nothing of these queues be claimed"),
        ("resume", resume, "let it be claimed again"),
    ):
        parser = add_command(commands, name, run, help)
        parser.add_argument("queues", type=queue_name, nargs="+", metavar="QUEUE")


def purge(args: argparse.Namespace) -> int:
    """Cancel all jobs of a queue that wait or are scheduled. What runs goes on; dead letters stay."""
    app = open_app(args)
    counts = app.queue(args.queue).counts()
    total = counts["queued"] + counts["scheduled"]
    confirm(f"Cancel all {total} jobs that wait in {args.queue}?", args.yes)
    with progress("Cancelling", total) as advance:
        cancelled = add_up(bulk.purge(app.settings, args.queue), advance)
    if args.json:
        show_json({"queue": args.queue, "cancelled": cancelled})
    else:
        print(f"{args.queue}: {cancelled} cancelled")
    return DONE


def pause(args: argparse.Namespace) -> int:
    """Let nothing be claimed from these queues from now on. What runs goes on, and jobs can be enqueued."""
    app = open_app(args)
    known = app.queue_names()
    for name in args.queues:
        app.queue(name).pause()
        _tell(args, name, paused=True)
        if name not in known:
            say(f"nothing was ever enqueued into {name}: is that its name?")
    return DONE


def resume(args: argparse.Namespace) -> int:
    """Let jobs be claimed from these queues again."""
    app = open_app(args)
    for name in args.queues:
        app.queue(name).resume()
        _tell(args, name, paused=False)
    return DONE


def _tell(args: argparse.Namespace, name: str, paused: bool) -> None:
    if args.json:
        show_json({"queue": name, "paused": paused})
    else:
        print(f"{name} {'paused' if paused else 'resumed'}")
