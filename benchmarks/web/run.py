"""The REST service beside others that do the same, and beside bare Falcon, which answers with constants.

In each round all services take their turn, each with a server and a database of its own, in which a user has 10,000
tasks that have ended. `--save` keeps what was measured in benchmarks/results/web.json, in the form of peers/run.py:
`settings` is the way to log in. The figures by workload; those of processor time are milliseconds per request (or task,
for `result`), of the web processes (with the relay), of the workers and of Redis:

post        per_s, p50_ms, p99_ms, web_ms, workers_ms, server_ms: POST of one task, 8 connections, no worker runs
post while workers run
            the same, with a worker
post 100    and tasks_per_s: POST of 100 tasks, one connection
status      GET of the status of a task that has ended, 8 connections
list        GET of the newest 20 tasks of 10,000 and more, 8 connections
result      p50_ms, p99_ms, ...: POST of one task until its result is there, one after the other; asked for every 5 ms,
            or, as `?wait`, by a request that waits
memory of the service
            pss_mb of all processes but Redis, after load with workers; of it web_pss_mb and workers_pss_mb; and
            server_pss_mb
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parent.parent))
sys.path.insert(2, str(Path(__file__).parent.parent / "peers"))

from environments import distributions, install
from processes import Guard
from runs import RESULTS, commit, machine
from servers import Server
from services import SERVICES, Service
from table import show
from turns import Failed, Turn

PINS = Path(__file__).parent / "requirements"
#: Rounds, and seconds of each workload.
WHOLE, QUICK = (5, 3.0), (2, 1.5)


def main() -> int:
    args = _options()
    services = [service for service in SERVICES if service.name in args.services]
    if args.install:
        for service in services:
            print(service.name, flush=True)
            install(args.home, service.name, PINS, "[api]")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    guard = Guard()
    data = _head(args, services)
    for number in range(1, args.rounds + 1):
        for service in services:
            _take_turn(args, guard, number, service, data)
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if args.save:
            args.save.write_text(json.dumps(data, indent=1) + "\n")
    print(show(data))
    return 1 if data["failed"] else 0


def _head(args: argparse.Namespace, services: list[Service]) -> dict[str, Any]:
    """What is measured, where, and with what."""
    with Server(args.server) as server:
        version = server.version
    installed = {service.name: distributions(args.home, service.name) for service in services}
    return {
        "benchmark": "web",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "server": version,
        "python": platform.python_version(),
        "versions": {
            service.name: ", ".join(f"{name} {installed[service.name][name]}" for name in service.packages)
            for service in services
        },
        "rounds": [],
        "failed": [],
    }


def _take_turn(args: argparse.Namespace, guard: Guard, number: int, service: Service, data: dict[str, Any]) -> None:
    """Adds a row for each workload; one for the failure of what came next."""
    rows: list[dict[str, Any]] = []
    try:
        with Turn(service, args.home, args.server, guard) as turn:
            for workload, login, variant, figures in turn.measure(args.seconds):
                rows.append(
                    {
                        "peer": service.name, "variant": variant, "settings": login, "note": service.note,
                        "workload": workload, "round": number,
                        "figures": {name: round(value, 3) for name, value in figures.items()},
                    }
                )  # fmt: skip
            state = {"load": turn.load, "foreign": turn.foreign()}
        data["rounds"] += [row | state for row in rows]
    except (Failed, OSError) as error:
        failure = {"variant": "", "workload": "turn", "round": number, "error": str(error)}
        data["failed"].append({"peer": service.name} | failure)


def _options() -> argparse.Namespace:
    names = [service.name for service in SERVICES]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    home = Path(tempfile.gettempdir(), "redisq-web")
    parser.add_argument("--home", type=Path, default=home, help=f"where they are installed (default: {home})")
    parser.add_argument("--install", action="store_true", help="install them there, and do nothing else")
    parser.add_argument("--service", action="append", choices=names, dest="services", help="only this; may be repeated")
    parser.add_argument("--quick", action="store_true", help="in some four minutes: fewer rounds, shorter ones")
    parser.add_argument("--rounds", type=int, help=f"default: {WHOLE[0]}, or {QUICK[0]} with --quick")
    parser.add_argument("--seconds", type=float, help=f"of each workload (default: {WHOLE[1]:g}, or {QUICK[1]:g})")
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey", help="default: valkey, of the wheel")
    parser.add_argument(
        "--save", nargs="?", type=Path, const=RESULTS / "web.json", metavar="FILE",
        help="keep it in benchmarks/results/, or in FILE",
    )  # fmt: skip
    args = parser.parse_args()
    args.home = args.home.absolute()
    args.services = args.services or names
    rounds, seconds = QUICK if args.quick else WHOLE
    args.rounds, args.seconds = args.rounds or rounds, args.seconds or seconds
    return args


if __name__ == "__main__":
    sys.exit(main())
