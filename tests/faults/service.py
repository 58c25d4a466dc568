"""A fault run of the service: `bin/faults-api --database postgresql --seconds 300`.

Many gunicorn processes take POSTs at a steady rate, while Redis, the relays and the workers are killed in turn. None of
them may be answered with a 5xx but 503 with Retry-After, and every task that was accepted has to end, once: what its
runs have done is noted in files that neither Redis nor the database know.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from redisq_api.database import Database

from tests.faults.fleet import Fleet, Part
from tests.faults.history import Event, History, read
from tests.faults.posting import LOGIN, Posted, Posters
from tests.postgres import postgres
from tests.servers import KINDS, Server, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
API = ["-c", "import sys; from redisq_api.cli import main; sys.exit(main())"]
GUNICORN = ["-m", "gunicorn", "-c", "python:redisq_api.server"]
#: What is killed in turn: the server, each relay, each worker with its children.
TURNS = ("server", "relay-0", "worker-0", "server", "relay-1", "worker-1")
#: Seconds between two faults, and until what was killed is there again.
EVERY = 3.0
AWAY = (0.2, 2.0)
#: Seconds in which something has to end, when all that waits is to end.
DRAIN = 60.0
UNFINISHED = "SELECT count(*) FROM task WHERE state IN ('accepted', 'scheduled', 'queued')"


class ServiceRun:
    """One run, in a directory of its own."""

    def __init__(self, directory: Path, options: argparse.Namespace, database_url: str) -> None:
        self._options = options
        self._environ = {
            "REDISQ_APP": "tests.faults.posted:app",
            "REDISQ_DATABASE": database_url,
            "FAULTS_DIR": str(directory),
            "FAULTS_LEASE": "3",
        }
        self._directory = directory
        self._draw = random.Random(options.seed)
        self._server = Server(KINDS[options.server], directory / "server", appendonly="yes", appendfsync="always")
        self._history = History(directory / "history" / "nemesis.jsonl")
        self._fleet = Fleet(ROOT, directory, self._history)
        self._port = free_port()
        self.faults: Counter[str] = Counter()

    def go(self) -> Posted:
        """Until all tasks have ended, or should have; what the service has answered."""
        self._server.start()
        self._environ["REDISQ_URL"] = self._server.url
        self._start_parts()
        count = int(self._options.seconds * self._options.rate)
        posters = Posters(self._port, count, self._options.rate)
        posters.start()
        turns, due = 0, time.monotonic() + EVERY
        while not posters.is_done:
            self._fleet.look()
            if time.monotonic() >= due:
                self._hit(TURNS[turns % len(TURNS)])
                turns, due = turns + 1, max(time.monotonic(), due + EVERY)
            time.sleep(0.05)
        self._drain()
        return posters.posted

    def close(self) -> None:
        """End everything, also after a failure half way."""
        self._fleet.close()
        self._server.stop()

    def _start_parts(self) -> None:
        for arguments in (["init-db"], ["user", "add", "faults", "--password-stdin", "--workers", "high,default"]):
            self._administer(arguments)
        bind = ["--bind", f"127.0.0.1:{self._port}", "--threads", "4", "--timeout", "120"]
        self._add("service", [*GUNICORN, *bind, "--workers", str(self._options.processes)])
        for n in range(2):
            self._add(f"relay-{n}", [*API, "relay"])
            options = ["--queues", "high,default", "--processes", "2", "--lease", "3"]
            self._add(f"worker-{n}", ["-m", "redisq.cli", *options])
        wait_until(self._answers, 120, "the service answers")

    def _add(self, name: str, argv: Sequence[str]) -> None:
        self._fleet.add(Part(name, [sys.executable, *argv], self._environ))

    def _administer(self, arguments: Sequence[str]) -> None:
        subprocess.run(
            [sys.executable, *API, *arguments],
            cwd=ROOT,
            env=os.environ | self._environ,
            input=LOGIN.partition(":")[2].encode() + b"\n",
            check=True,
            capture_output=True,
        )

    def _answers(self) -> bool:
        try:
            return Posters(self._port, 0, 1.0).ask("/healthz") == 200
        except OSError:
            return False

    def _hit(self, target: str) -> None:
        """Kill it, and have it again after a while."""
        away = self._draw.uniform(*AWAY)
        self._history.note("fault", n=sum(self.faults.values()), kind="kill", target=target, pids=[])
        self.faults[target] += 1
        if target == "server":
            self._server.kill()
            time.sleep(away)
            self._server.start(timeout=120.0)
            return
        part = self._fleet.parts[target]
        with part.lock:
            self._fleet.kill(part)
            time.sleep(away)
            self._fleet.start(part)

    def _drain(self) -> None:
        """Until nothing is unfinished, or nothing has ended for a while."""
        left, end = None, time.monotonic() + DRAIN
        with closing(Database(self._environ["REDISQ_DATABASE"])) as database:
            while (now := database.one(UNFINISHED)) != (0,) and time.monotonic() < end:
                if now != left:
                    left, end = now, time.monotonic() + DRAIN
                self._fleet.look()
                time.sleep(0.2)

    def rows(self) -> dict[str, tuple[str, str | None]]:
        """State and result of each task in the database."""
        with closing(Database(self._environ["REDISQ_DATABASE"])) as database:
            return {task: (state, result) for task, state, result in database.all("SELECT id, state, result FROM task")}


def offences(posted: Posted, rows: dict[str, Any], events: Sequence[Event], count: int) -> dict[str, list[str]]:
    """What must not be, and is."""
    runs: dict[str, list[Event]] = {}
    for event in events:
        if event["e"] == "end":
            runs.setdefault(event["key"], []).append(event)
    kills = [event["t"] for event in events if event["e"] == "fault" and not event["target"].startswith("relay")]
    found: dict[str, list[str]] = {
        "wrong answers": posted.wrong,
        "never accepted": [f"{count - len(posted.accepted)} tasks"] if len(posted.accepted) < count else [],
        "in the database, but never answered": sorted(rows.keys() - set(posted.accepted.values())),
        "not ended": [], "no effect": [], "another run counted": [], "more than one effect, without a kill": [],
        "processes that ended by themselves": [str(event) for event in events if event["e"] == "died"],
    }  # fmt: skip
    for key, task in posted.accepted.items():
        state, result = rows.get(task, ("missing", None))
        ends = sorted(runs.get(key, []), key=lambda event: event["t"])
        if state != "succeeded":
            found["not ended"].append(f"{key} {task} {state}")
        if not ends:
            found["no effect"].append(f"{key} {task}")
        elif result is not None and all(f"{end['token']}]" not in result for end in ends):
            found["another run counted"].append(f"{key} {task} {result}")
        for first, second in pairwise(ends):
            if not any(first["t"] - 10 <= kill <= second["t"] for kill in kills):
                found["more than one effect, without a kill"].append(f"{key} {task}")
    return found


def report(faults: Counter[str], posted: Posted, events: Sequence[Event], found: dict[str, list[str]]) -> None:
    """Prints the figures, and what is wrong."""
    ordered = sorted(posted.seconds) or [0.0]
    ends = Counter(event["key"] for event in events if event["e"] == "end")
    lines = {
        "accepted": str(len(posted.accepted)),
        "answers": ", ".join(f"{n} x {what}" for what, n in sorted(posted.statuses.items())),
        "seconds of an answer": f"median {ordered[len(ordered) // 2]:.3f}, 99 of 100 within"
        f" {ordered[int(0.99 * (len(ordered) - 1))]:.3f}, longest {ordered[-1]:.3f}",
        "kills": ", ".join(f"{n} x {what}" for what, n in sorted(faults.items())),
        "effects": f"{sum(ends.values())} of {len(ends)} tasks",
    }
    for name, value in lines.items():
        print(f"{name:<40} {value}")
    for name, examples in found.items():
        print(f"{name:<40} {len(examples)}")
        for example in examples[:5]:
            print(f"    {example}")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 green, 1 red, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="faults-api", description="Posts tasks under faults, and looks for each.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--server", choices=sorted(KINDS), default="valkey")
    parser.add_argument("--seconds", type=float, default=300.0, help="of posting (default: 300)")
    parser.add_argument("--rate", type=float, default=50.0, help="POSTs per second (default: 50)")
    parser.add_argument("--processes", type=int, default=8, help="of gunicorn (default: 8)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("RED: ended by SIGTERM"))
    directory = Path(tempfile.mkdtemp(prefix="redisq-faults-api-"))
    began = time.monotonic()
    with ExitStack() as stack:
        sqlite = f"sqlite:///{directory}/service.sqlite3"
        url = stack.enter_context(postgres()) if options.database == "postgresql" else sqlite
        run = ServiceRun(directory, options, url)
        stack.callback(run.close)
        posted = run.go()
        rows = run.rows()
    events = list(read(directory / "history"))
    found = offences(posted, rows, events, int(options.seconds * options.rate))
    print(f"{options.processes} processes on {options.database}, {options.rate:g} POSTs/s for {options.seconds:g} s")
    report(run.faults, posted, events, found)
    is_red = any(found.values())
    print(f"{'verdict':<40} {'RED' if is_red else 'green'}, {time.monotonic() - began:.0f} s", flush=True)
    if is_red:
        print(f"history and logs in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if is_red else 0


if __name__ == "__main__":
    sys.exit(main())
