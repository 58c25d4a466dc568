"""redisq: looking after queues from the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from . import __version__, keys
from .app import RedisQ
from .commands import cron
from .doctor import Doctor
from .errors import RedisQError

FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 wrong usage."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except RedisQError as error:
        print(f"redisq: {error}", file=sys.stderr)
        return FAILED


def doctor(args: argparse.Namespace) -> int:
    """Find and mend what is not right, a line for each."""
    app = RedisQ(args.url, namespace=args.namespace, patience=3.0)
    names = args.queues or sorted(app.queue_names())
    found = 0
    for name in names:
        for finding in Doctor(app.settings, name, args.dry_run).run():
            found += 1
            print(json.dumps(finding._asdict()) if args.json else finding, flush=True)
    if not args.json:
        verb = "to mend (a dry run: nothing was done)" if args.dry_run else "mended"
        print(f"{len(names)} queues looked over, {found} {verb}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq", description="Looks after queues.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"redisq {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("doctor", help="find and mend what is not right", description=doctor.__doc__)
    command.add_argument("--queues", type=_queues, metavar="HIGH,LOW", help="default: all")
    command.add_argument("--dry-run", action="store_true", help="only tell")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.add_argument("--url", help="the server (default: $REDISQ_URL)")
    command.add_argument("--namespace", default="redisq", help="what all keys begin with (default: %(default)s)")
    command.set_defaults(run=doctor)
    cron.add(commands)
    return parser


def _queues(text: str) -> list[str]:
    try:
        return [keys.check_name(name) for name in text.split(",")]
    except RedisQError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
