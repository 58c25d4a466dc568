"""redisq top: what goes on, as it goes on."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec

from .shared import DONE, Commands, NotDone, WrongUsage, add_command, open_app, queue_name, seconds
from .view import View

#: Seconds for which a look waits for a server that does not answer: the next look comes soon.
PATIENCE = 0.5


def add(commands: Commands) -> None:
    parser = add_command(commands, "top", top, "watch queues and workers", as_json=False)
    parser.add_argument("queues", type=queue_name, nargs="*", metavar="QUEUE", help="default: all")
    parser.add_argument("--interval", type=_interval, default=2.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--once", action="store_true", help="print one view, after one interval")


def top(args: argparse.Namespace) -> int:
    """Watch queues and workers. OLDEST: how long ago the next job that waits was enqueued. WAITED, MOST: how long jobs
    that began in the last minute had waited, the median and the longest. LATER: scheduled. RUNS, FOR: what each worker
    runs, and for how long. q quits.
    """
    if find_spec("rich") is None:
        raise NotDone("top needs rich: pip install 'redisq-jobs[cli]'")
    from . import live

    view = View(open_app(args, PATIENCE), args.queues)
    if args.once:
        view.look()
        if not view.trouble:
            time.sleep(args.interval)
            view.look()
        if view.trouble:
            raise NotDone(view.trouble)
        live.print_once(view)
        return DONE
    if not sys.stdout.isatty():
        raise WrongUsage("top draws on a terminal; --once prints one view anywhere")
    live.watch(view, args.interval)
    return DONE


def _interval(text: str) -> float:
    number = seconds(text)
    if not 0.1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"seconds from 0.1 to 3600, not {text}")
    return number
