"""Runs every mutation against every check, and prints which check sees which: `bin/mutate [TEXT...]`.

Texts choose the mutations whose names contain one of them. Exit code 1 if a mutation is not seen by a check that is
named with it, or if a check is red without any.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from .mutations import CHECKS, MUTATIONS, Mutation
from .running import apply, copy_to, run


def try_all(mutation: Mutation) -> bool:
    """Whether the checks that must see it do."""
    seen = []
    with tempfile.TemporaryDirectory(prefix="redisq-mutation-") as name:
        directory = copy_to(Path(name))
        apply(mutation, directory)
        for check in CHECKS:
            began = time.monotonic()
            verdict = run(check, directory)
            if verdict.red:
                seen.append(check)
                print(f"    {check}, after {time.monotonic() - began:.1f} s: {verdict.reason:.150}", flush=True)
    survives = [check for check in mutation.seen_by if check not in seen]
    print(f"{mutation.name}: {', '.join(seen) or 'NOT SEEN'}{f' (not by {survives})' if survives else ''}", flush=True)
    return not survives


def are_green() -> bool:
    """Whether the checks are, of the library as it is: otherwise what they say of a mutation is worth nothing."""
    with tempfile.TemporaryDirectory(prefix="redisq-mutation-") as name:
        directory = copy_to(Path(name))
        red = [check for check in CHECKS if run(check, directory).red]
    if red:
        print(f"red without a mutation: {', '.join(red)}")
    return not red


def main(texts: list[str]) -> int:
    if not are_green():
        return 1
    chosen = [one for one in MUTATIONS if not texts or any(text in one.name for text in texts)]
    results = [try_all(mutation) for mutation in chosen]
    print(f"{sum(results)} of {len(results)} mutations are seen by the checks that are named with them.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
