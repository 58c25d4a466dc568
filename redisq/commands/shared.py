"""What the commands share: flags, checks of what was typed, the app, and questions."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from .. import keys
from ..app import RedisQ
from ..errors import RedisQError
from .output import safe

DONE, FAILED, WRONG_USAGE = 0, 1, 2
#: Seconds for which a command waits for a server that does not answer.
PATIENCE = 3.0

_AGO = re.compile(r"([0-9]{1,8})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Commands = Any  # what ArgumentParser.add_subparsers answers has no public name
Run = Callable[[argparse.Namespace], int]


class WrongUsage(Exception):
    """What was typed cannot be done: exit code 2."""


class NotDone(Exception):
    """It could not be done, or was not: exit code 1."""


def add_command(commands: Commands, name: str, run: Run, help: str, as_json: bool = True) -> argparse.ArgumentParser:
    """A parser with the flags that all commands which speak to a server have. The function's docstring describes it."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=run.__doc__, allow_abbrev=False)
    parser.add_argument("--url", help="the server (default: $REDISQ_URL)")
    parser.add_argument(
        "--namespace", type=namespace, default="redisq", help="what all keys begin with (default: %(default)s)"
    )
    if as_json:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)
    return parser


def add_filter(parser: argparse.ArgumentParser, which: str = "") -> None:
    """Flags that choose jobs, beside the queue."""
    parser.add_argument("--task", type=task_name, help=f"{which}only calls of this task")
    parser.add_argument("--text", help=f"{which}only those with this in the id, the arguments or the error")
    parser.add_argument("--since", type=past, metavar="TIME", help=f"{which}only those enqueued since: 2h, 2026-01-31")


def open_app(args: argparse.Namespace, patience: float = PATIENCE) -> RedisQ:
    return RedisQ(args.url, namespace=args.namespace, patience=patience)


def say(text: str) -> None:
    """A remark, which is no output."""
    print(f"redisq: {safe(text)}", file=sys.stderr, flush=True)


def confirm(question: str, yes: bool) -> None:
    """Come back if it may be done. NotDone if a person says no, WrongUsage if there is none to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUsage(f"{question} Say so with --yes: there is no terminal to ask")
    print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotDone("nothing was done")


# Types of arguments


def _checked(check: Callable[[str], Any]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        try:
            check(text)
        except RedisQError as error:
            raise argparse.ArgumentTypeError(safe(error)) from None
        return text

    return convert


queue_name = _checked(keys.check_name)
namespace = _checked(lambda text: keys.check_name(text, "namespace"))
task_name = _checked(keys.check_task)
local_id = _checked(keys.check_job_id)
job_id = _checked(keys.FullId.parse)


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise argparse.ArgumentTypeError(f"seconds from 0 on, not {safe(repr(text), 80)}")
    return number


def past(text: str) -> datetime:
    """A time such as `2026-01-31T12:00` (UTC, unless it says otherwise), or how long ago: `90s`, `30m`, `2h`, `7d`."""
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        wanted = "a time such as 2026-01-31T12:00 or 2h"
        raise argparse.ArgumentTypeError(f"{wanted}, not {safe(repr(text), 80)}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def whole_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"a whole number from 0 on, not {safe(repr(text), 80)}")
    return int(text)
