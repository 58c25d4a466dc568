"""redisq retry, redisq cancel: jobs by their ids, and all of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from .. import bulk
from ..app import RedisQ
from ..errors import RedisQError
from ..job import UNFINISHED, Job
from ..search import Filter
from .output import safe, show_json
from .progress import add_up, progress
from .shared import (
    DONE,
    FAILED,
    Commands,
    WrongUsage,
    add_command,
    add_filter,
    confirm,
    job_id,
    open_app,
    queue_name,
    say,
)


def add(commands: Commands) -> None:
    parser = add_command(commands, "retry", retry, "queue dead letters again")
    _add_which(parser)
    parser.add_argument("--queue", type=queue_name, help="with --all: only this one")
    add_filter(parser, "with --all: ")

    parser = add_command(commands, "cancel", cancel, "end jobs that wait, ask those that run to stop")
    _add_which(parser)
    parser.add_argument("--queue", type=queue_name, help="with --all: whose jobs")
    parser.add_argument("--yes", action="store_true", help="with --all: do not ask")


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", type=job_id, nargs="*", metavar="ID", help="QUEUE.ID")
    parser.add_argument("--all", action="store_true", help="instead of naming them")


def retry(args: argparse.Namespace) -> int:
    """Queue dead letters again, with all their attempts before them."""
    narrowed = (args.queue, args.task, args.text, args.since)
    _check_which(args, any(narrowed), "--queue, --task, --text and --since go with --all")
    app = open_app(args)
    if not args.all:
        return _each(app, args, lambda one: one.retry(), {"queued", "scheduled", "running"})
    names = [args.queue] if args.queue else sorted(app.queue_names())
    total = sum(app.queue(name).counts()["failed"] for name in names)
    with progress("Queueing again", total) as advance:
        done = {name: add_up(_retrying(app, name, args), advance) for name in names}
    if args.json:
        for name, number in done.items():
            show_json({"queue": name, "retried": number})
    else:
        print(
            "\n".join(f"{name}: {number} queued again" for name, number in done.items() if number)
            or "nothing to queue again"
        )
    return DONE


def _retrying(app: RedisQ, name: str, args: argparse.Namespace) -> Iterator[bulk.Portion]:
    if args.text is args.since is None:
        return bulk.revive(app.settings, name, args.task)  # the oldest first
    return app.queue(name).act("retry", Filter("failed", args.task, args.text, args.since))


def cancel(args: argparse.Namespace) -> int:
    """End jobs that wait or are scheduled, and ask those that run to stop."""
    _check_which(args, args.queue or args.yes, "--queue and --yes go with --all")
    app = open_app(args)
    if not args.all:
        return _each(app, args, lambda one: one.cancel(), {"cancelled", "running"})
    if not args.queue:
        raise WrongUsage("cancel --all: of which --queue?")
    counts = app.queue(args.queue).counts()
    total = sum(counts[status] for status in UNFINISHED)
    confirm(f"Cancel all {total} unfinished jobs of {args.queue}?", args.yes)
    with progress("Cancelling", total) as advance:
        waiting = add_up(bulk.purge(app.settings, args.queue), advance)
        running = add_up(bulk.stop_running(app.settings, args.queue), advance)
    if args.json:
        show_json({"queue": args.queue, "cancelled": waiting, "asked_to_stop": running})
    else:
        print(f"{args.queue}: {waiting} cancelled, {running} asked to stop")
    return DONE


def _check_which(args: argparse.Namespace, narrowed: object, complaint: str) -> None:
    if args.all == bool(args.ids):
        raise WrongUsage("either --all or the ids of jobs")
    if narrowed and not args.all:
        raise WrongUsage(complaint)


def _each(app: RedisQ, args: argparse.Namespace, act: Callable[[Job], Job], wanted: set[str]) -> int:
    """Do it to each job that was named; what cannot be done to one keeps no other from it."""
    code = DONE
    for one in args.ids:
        try:
            after = act(app.job(one))
        except RedisQError as error:
            say(f"{one}: {error}" if one not in str(error) else str(error))
            code = FAILED
            continue
        if after.status not in wanted:
            say(f"{after.id} stays as it is: {after.status}")
            code = FAILED
        elif args.json:
            show_json({"id": after.id, "status": after.status})
        else:
            stopping = after.status == "running" and "cancelled" in wanted
            print(f"{safe(after.id)} {'asked to stop' if stopping else after.status}")
    return code
