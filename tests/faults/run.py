"""A fault run from its start to its verdict: `bin/faults --jobs 20000 --seed 1`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults import ending, ledger, schedule
from tests.faults.facts import Facts, gather
from tests.faults.fleet import Fleet, Part
from tests.faults.history import History, read
from tests.faults.nemesis import ORDERS, Nemesis
from tests.faults.network import Network
from tests.faults.producing import LOGIN
from tests.faults.workload import QUEUES, app
from tests.servers import KINDS, Server, free_port, version

ROOT = Path(__file__).resolve().parents[2]
#: Workers that reach the server through the network; the others have a connection of their own.
DISTANT = ("w1", "w2", "w3", "w5")
PORTS = (*DISTANT, "consumers", "producers", "service")
#: Each producer's share of the jobs. The last one posts to the service.
SHARES = {"p0": 0.5, "p1": 0.42, "p2": 0.08}
TARGETS = {
    "worker": tuple(ORDERS),
    "workers": ("workers",),
    "consumer": ("c0", "c1"),
    "producer": tuple(SHARES),
    "reader": ("reader",),
    "relay": ("relay",),
    "service": ("service",),
    "server": ("server",),
    "port": PORTS,
}
#: Seconds for which 20,000 jobs are produced; ten times as many take seven times as long.
SPAN = 95.0
DRAIN = 60.0


class OutOfTime(Exception):
    """The run is not done within its limit."""


class FaultRun:
    """One run, in a directory of its own."""

    def __init__(self, directory: Path, jobs: int, seed: int, lease: float, kind: str, limit: float) -> None:
        self.directory = directory
        self.deadline = time.monotonic() + limit
        self._jobs = jobs
        self._seed = seed
        self._lease = lease
        self._span = min(max(10.0, SPAN * (jobs / 20_000) ** 0.85), 0.6 * limit)
        self._database = directory / "service.sqlite3"
        self._history = History(directory / "history" / "nemesis.jsonl")
        (directory / "crashed").mkdir()
        self._server = Server(
            KINDS[kind], directory / "server", appendonly="yes", appendfsync="always", maxclients=2000
        ).start()
        self._network = Network(self._server.port, PORTS, ROOT)
        self._fleet = Fleet(ROOT, directory, self._history)
        self._nemesis = Nemesis(self._fleet, self._network, self._server, self._history)
        self._app = app.replace(url=self._server.url)

    def go(self) -> Facts:
        """All of it; the facts that are left."""
        self._history.note("run", lease=self._lease, workers=list(ORDERS), seed=self._seed, jobs=self._jobs)
        self._start_parts()
        faults = schedule.plan(self._seed, self._span, self._lease, TARGETS)
        (self.directory / "schedule.json").write_text(json.dumps([fault._asdict() for fault in faults], indent=1))
        self._nemesis.start(faults)
        self._look_until(lambda: self._nemesis.is_done, "the faults are over")
        self._network.heal()
        producers = [self._fleet.parts[name] for name in SHARES]
        self._look_until(lambda: not any(part.runs for part in producers), "all jobs are acknowledged")
        self._drain()
        for name in ORDERS:
            if code := self._fleet.terminate(self._fleet.parts[name]):
                self._history.note("died", slot=name, code=code)
        self._fleet.close()
        self._write_end()
        return gather([*read(self.directory / "history"), *read(self.directory / "final")])

    def close(self) -> None:
        """End everything, also after a failure half way."""
        self._nemesis.close()
        self._fleet.close()
        self._network.close()
        self._app.close()
        self._server.stop()

    # Parts

    def _start_parts(self) -> None:
        self._init_database()
        for name, queues in ORDERS.items():
            options = ["--queues", ",".join(queues), "--processes", "2", "--grace", "10"]
            self._add(name, name, ["-m", "redisq.cli", *options, "--lease", f"{self._lease:g}"])
        self._add("c0", "", ["-m", "tests.faults.consuming", "consumer"])
        self._add("c1", "consumers", ["-m", "tests.faults.consuming", "consumer"])
        self._add("reader", "consumers", ["-m", "tests.faults.consuming", "reader"])
        self._add("relay", "service", ["-c", "import sys; from redisq_api.cli import main; sys.exit(main())", "relay"])
        port = free_port()
        gunicorn = ["-c", "python:redisq_api.server", "--workers", "1"]
        self._add("service", "service", ["-m", "gunicorn", *gunicorn, "--bind", f"127.0.0.1:{port}"])
        for name, share in SHARES.items():
            order = [str(int(share * self._jobs)), str(self._seed), f"{self._span:.1f}"]
            if name == "p2":
                order.append(f"http://127.0.0.1:{port}")
            argv = ["-m", "tests.faults.producing", *order]
            self._add(name, "producers" if name == "p1" else "", argv, lasts=False)

    def _add(self, name: str, port: str, argv: Sequence[str], lasts: bool = True) -> None:
        self._fleet.add(Part(name, [sys.executable, *argv], self._environ(port), lasts))

    def _environ(self, port: str = "") -> dict[str, str]:
        return {
            "REDISQ_URL": self._network.urls.get(port, self._server.url),
            "REDISQ_APP": "tests.faults.workload:app",
            "REDISQ_DATABASE": f"sqlite:///{self._database}?synchronous=normal",
            "FAULTS_DIR": str(self.directory),
            "FAULTS_LEASE": f"{self._lease:g}",
        }

    def _init_database(self) -> None:
        name, password = LOGIN.split(":")
        add = ["user", "add", name, "--password-stdin", "--workers", ",".join(QUEUES)]
        for argv in (["init-db"], add):
            subprocess.run(
                [sys.executable, "-c", "import sys; from redisq_api.cli import main; sys.exit(main())", *argv],
                cwd=ROOT,
                env=os.environ | self._environ(),
                input=password.encode() + b"\n",
                check=True,
                capture_output=True,
            )

    # The end

    def _look_until(self, condition: Callable[[], bool], what: str) -> None:
        """Look after the parts until it is so."""
        while not condition():
            self._nemesis.raise_error()
            if time.monotonic() > self.deadline:
                raise OutOfTime(f"not within the limit: {what}")
            self._fleet.look()
            time.sleep(0.05)

    def _drain(self) -> None:
        """Until nothing waits or runs any more. What still does after a while is held up, even if it ends then."""
        end = min(time.monotonic() + DRAIN, self.deadline)
        while not ending.is_done(self._app, self._database):
            if time.monotonic() > end:
                ending.write_held_up(self._app, self._history)
                return
            self._fleet.look()
            time.sleep(0.2)

    def _write_end(self) -> None:
        asked = [id_ for event in read(self.directory / "history") if event["e"] == "ack" for id_ in event["ids"]]
        ending.write(self._app, self._database, History(self.directory / "final" / "final.jsonl"), asked)


def _end(number: int, _frame: object) -> None:
    """What was started is ended, too."""
    sys.exit(f"RED: ended by {signal.Signals(number).name}")  # exit code 1


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 green, 1 red or not done in time, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="faults", description="Runs jobs under faults, and accounts for each of them."
    )
    parser.add_argument("--jobs", type=int, default=20_000, metavar="N", help="to be acknowledged (default: 20000)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of the schedule of faults (default: any)")
    parser.add_argument("--lease", type=float, default=3.0, metavar="SECONDS", help="of the workers (default: 3)")
    parser.add_argument("--duration-limit", type=float, default=900.0, metavar="SECONDS", help="(default: 900)")
    parser.add_argument("--server", choices=sorted(KINDS), default="valkey")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep history and seed there, also of a green run")
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else int.from_bytes(os.urandom(3))
    directory = (args.keep or Path(tempfile.mkdtemp(prefix="redisq-faults-"))).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        parser.error(f"{directory} is not empty")
    print(
        f"{args.jobs} jobs, seed {seed}, lease {args.lease:g} s, {args.server} {version(KINDS[args.server])}",
        flush=True,
    )
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _end)
    run = FaultRun(directory, args.jobs, seed, args.lease, args.server, args.duration_limit)
    try:
        found = ledger.draw_up(run.go())
    except OutOfTime as error:
        print(f"RED: {error}; history in {directory}")
        return 1
    finally:
        run.close()
    print("\n".join(ledger.lines(found)))
    print(f"{time.monotonic() - began:.0f} s")
    if found.red or args.keep:
        print(f"history in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if found.red else 0


if __name__ == "__main__":
    sys.exit(main())
