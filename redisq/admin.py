"""redisq: looking after queues from the command line."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from . import __version__
from .commands import acting, completion, cron, doctor, enqueueing, errors, jobs, overview, queues, top
from .commands.shared import DONE, FAILED, WRONG_USAGE, NotDone, WrongUsage, say
from .errors import RedisQError

#: In the order in which help lists them.
GROUPS = (overview, top, jobs, errors, enqueueing, acting, queues, cron, doctor, completion)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 wrong usage."""
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(args.run(args))
    except WrongUsage as error:
        say(str(error))
        return WRONG_USAGE
    except (RedisQError, NotDone) as error:
        say(str(error))
        return FAILED
    except BrokenPipeError:  # who reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq", description="Looks after queues.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"redisq {__version__}")
    parser.set_defaults(root=parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
