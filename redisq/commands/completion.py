"""redisq completion: what a shell needs to complete commands and flags."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from .shared import DONE, Commands, NotDone

SHELLS = ("bash", "zsh", "fish")


def add(commands: Commands) -> None:
    parser = commands.add_parser("completion", help="complete commands in a shell", description=completion.__doc__)
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=completion)


def completion(args: argparse.Namespace) -> int:
    """Print a script that has a shell complete commands and flags: for bash, eval "$(redisq completion bash)"."""
    if find_spec("shtab") is None:
        raise NotDone("completion needs shtab: pip install 'redisq-jobs[cli]'")
    import shtab

    print(shtab.complete(args.root, shell=args.shell))
    return DONE
