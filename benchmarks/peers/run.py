"""redisq beside its peers, each with its safest and its fastest documented settings, and beside bare clients of Redis.

All variants take their turn in each round, each with a server of its own. `--save` keeps this in benchmarks/results/,
in `peers.json`, or with `--crash` in `peers-crash.json`:

benchmark, when, commit, machine, server, python
    "peers" or "peers-crash"; the time, the checkout, the machine in general terms, the server's and Python's versions
versions
    by peer: its version, and in brackets its client's
rounds
    a list of what was measured: `peer`, `variant`, `settings` (safest, fastest, default), `note` (them in words,
    first whether results are kept), `workload`, `round` (from 1), `figures`, `load` (the machine's as the turn began),
    `foreign` (the share of all processor time in the turn, 0 to 1, that went to others)
failed
    the same without figures, with `error`: what a peer did not do

The figures by workload ("us" are microseconds, "client" is the worker with all its processes, each per job):

drain      jobs_per_s, client_us, server_us: no-op jobs that were queued before, from the first start to the last
limits     per_s, client_us, server_us: the same by bare clients, peer "limits"
enqueue    per_s: one by one, acknowledged
bulk       per_s: 1,000 a call, acknowledged, in whatever way the library has for that
memory     bytes of the server per waiting no-op job; in the first round only, as it does not vary
latency    p50_us, p99_us: from before the call to the job's first line, on a worker that is idle, on two queues if it
           can be
results    per_s, p50_us: enqueue and wait for the result, one after the other
footprint  rss_mb, pss_mb, import_ms: the worker's processes together; processor time of importing the library
crash      done, twice, restarted, lost (jobs of 200), last_s: see crash.py

A bare LPUSH and BRPOP take part in enqueue, bulk, memory, latency and results as peer "limits", variant "serve".
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parent.parent))

from crash import crash
from environments import install, versions
from processes import Guard
from runs import RESULTS, commit, machine
from servers import Server
from table import show
from turns import GROUPS, Failed, Figures, Turn, measure
from variants import PEERS, VARIANTS, WORKLOADS, Variant

#: Crash runs at a time: their jobs sleep, and they mostly wait.
TOGETHER = 4

Row = dict[str, Any]


def main() -> int:
    args = _options()
    if args.install:
        for peer in args.peers:
            print(peer, flush=True)
            install(args.home, peer)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    guard = Guard()
    data = _head(args)
    for number in range(1, args.rounds + 1):
        for rows in _round(args, guard, number):
            for row in rows:
                data["failed" if "error" in row else "rounds"].append(row)
            print("F" if any("error" in row for row in rows) else ".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if args.save:
            args.save.parent.mkdir(exist_ok=True)
            args.save.write_text(json.dumps(data, indent=1) + "\n")
    print(show(data))
    return 1 if data["failed"] else 0


def _head(args: argparse.Namespace) -> dict[str, Any]:
    """What is measured, where, and with what."""
    with Server(args.server) as server:
        version = server.version
    return {
        "benchmark": "peers-crash" if args.crash else "peers",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "server": version,
        "python": platform.python_version(),
        "versions": {peer: versions(args.home, peer) for peer in args.peers},
        "rounds": [],
        "failed": [],
    }


def _round(args: argparse.Namespace, guard: Guard, number: int) -> Iterator[list[Row]]:
    """What each turn of this round gave, as it ends."""
    turns = partial(take_turn, args, guard, number)
    if not args.crash:
        yield from starmap(turns, _turns(args, number))
        return
    with ThreadPoolExecutor(TOGETHER) as pool:
        try:
            yield from pool.map(turns, *zip(*_turns(args, number), strict=True))
        except BaseException:
            guard.end()  # or the pool would wait for its turns
            raise


def take_turn(args: argparse.Namespace, guard: Guard, number: int, variant: Variant, workloads: set[str]) -> list[Row]:
    """What was measured, a row for each workload that the peer has."""
    common = {"peer": variant.peer, "variant": variant.name, "settings": variant.settings, "note": variant.note}
    try:
        queues = variant.drained if workloads == {"drain"} else variant.queues
        with Turn(variant, args.home, args.server, guard, queues) as turn:
            figures = {"crash": crash(turn)} if args.crash else measure(turn, workloads)
            state = {"load": turn.load, "foreign": turn.foreign()}
    except Failed as error:
        failure = {"round": number, "error": str(error)}
        return [common | {"workload": workload} | failure for workload in sorted(workloads)]
    return [
        common | {"workload": workload, "round": number, "figures": _rounded(values)} | state
        for workload, values in figures.items()
        if values
    ]


def _turns(args: argparse.Namespace, number: int) -> list[tuple[Variant, set[str]]]:
    """The variants in the order of their turns in this round, each with the workloads that share the turn."""
    groups = [("crash",)] if args.crash else GROUPS
    wanted = set(args.workload or WORKLOADS) - ({"memory"} if number > 1 else set())
    pairs = [(variant, wanted & set(variant.workloads) & set(group)) for group in groups for variant in args.variants]
    return [(variant, workloads) for variant, workloads in pairs if workloads]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    home = Path(tempfile.gettempdir(), "redisq-peers")
    parser.add_argument("--home", type=Path, default=home, help=f"where the peers are installed (default: {home})")
    parser.add_argument("--install", action="store_true", help="install the peers there, and do nothing else")
    parser.add_argument("--peer", action="append", metavar="PEER[/VARIANT]", help="only this; may be given again")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="only this; may be given again")
    parser.add_argument("--crash", action="store_true", help="only the crash, which takes long, in place of all others")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--jobs", type=int, help="to drain, in place of each variant's own number")
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey", help="default: valkey, of the wheel")
    parser.add_argument(
        "--save", nargs="?", type=Path, const=Path(), metavar="FILE", help="keep it in benchmarks/results/, or in FILE"
    )
    args = parser.parse_args()
    args.home = args.home.absolute()
    if args.save == Path():
        args.save = RESULTS / ("peers-crash.json" if args.crash else "peers.json")
    names = set(args.peer or PEERS)
    args.variants = [
        variant if args.jobs is None else replace(variant, jobs=args.jobs)
        for variant in VARIANTS
        if names & {variant.peer, f"{variant.peer}/{variant.name}"}
    ]
    args.peers = list(dict.fromkeys(variant.peer for variant in args.variants))
    unknown = names - {*args.peers, *(f"{variant.peer}/{variant.name}" for variant in args.variants)}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; the peers are {', '.join(PEERS)}")
    if not any(_turns(args, 1)):
        parser.error("nothing to measure: the peers that were named take no part in these workloads")
    return args


def _rounded(figures: Figures) -> Figures:
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    sys.exit(main())
