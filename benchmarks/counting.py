"""What a job costs, counted: Redis commands, round trips, bytes on the wire, bytes of memory. No times, so no noise.

The accepted numbers are in counting.json. A number above them is an error: exit code 1. A change that costs more has to
say so, by accepting its own numbers: `python benchmarks/counting.py --accept`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from servers import Server, program
from tasks import app

from redisq import RedisQ, claimer, keys, producer
from redisq.claimed import Claimed, Settlement, Source, succeeded
from redisq.claimer import Claimer, registration
from redisq.connection import Link
from redisq.endpoint import Command

ACCEPTED = Path(__file__).with_suffix(".json")
HINT = "To accept it, if it is worth it: python benchmarks/counting.py --accept"
KINDS = ("valkey", "redis")

JOBS = 500
MEMORY_JOBS = 10_000
#: A name of the usual length, and always the same: it is a part of every claim.
WORKER = "worker-00001-0123456789"

#: Bytes by which memory may be above the accepted number: Valkey's hash tables are seeded at random, and
#: so it varies by one or two.
SLACK = {"memory": 3.0}

Counts = dict[str, float]
Table = dict[str, Counts]


class Bench:
    """A server, and an app and a worker that use it. Nothing here depends on the time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.app: RedisQ = app.replace(url=server.url)
        self.task = self.app.tasks["tasks.noop"]
        self.sources = [Source("bench", self.app.queue("bench").base)]
        self.claimer = Claimer(self.app.settings, self.sources, WORKER)
        self.app.settings.server.call(registration(self.app.settings, self.sources, WORKER))

    def fill(self, jobs: int) -> None:
        self.task.enqueue_many([((), {})] * jobs)

    def claim(self, jobs: int, settled: list[Settlement] | None = None) -> list[Settlement]:
        """Settle and claim in one write. Answers how the claimed jobs are to be settled."""
        _, claimed = self.claimer.exchange(settled or [], jobs)
        assert len(claimed) == jobs, f"{len(claimed)} of {jobs} claimed"
        return [self._done(job) for job in claimed]

    def settle(self, *batches: list[Settlement]) -> None:
        for settled in batches:
            answers, _ = self.claimer.exchange(settled)
            assert answers == [b"ok"] * len(settled), answers

    def drain(self, jobs: int) -> None:
        for _ in range(jobs // 100):
            self.settle(self.claim(100))

    def close(self) -> None:
        self.claimer.close()
        self.app.close()

    def _done(self, job: Claimed) -> Settlement:
        return succeeded(job, b"null", job.run_options(self.task.run_options))


def traffic(server: Server, jobs: int, work: Callable[[], Any]) -> Counts:
    """What the library sends and the server does, per job, while `work` runs."""
    writes: list[int] = []
    send = Link.send

    def counted(link: Link, commands: Sequence[Command]) -> None:
        writes.append(len(commands))
        send(link, commands)

    control = server.control
    received = control.received
    before = server.info()
    own_reply, sent = control.received - received, control.sent
    with patch.object(Link, "send", counted):
        work()
    after = server.info()
    own_request = control.sent - sent

    def grown(name: str) -> int:
        return int(after[name]) - int(before[name])

    commands = _calls(after) - _calls(before)
    totals = {
        "commands": commands,
        "in scripts": commands - sum(writes),
        "round trips": len(writes),
        "bytes sent": grown("total_net_input_bytes") - own_request,
        "bytes received": grown("total_net_output_bytes") - own_reply,
    }
    return {name: round(total / jobs, 3) for name, total in totals.items()}


def _calls(info: dict[str, str]) -> int:
    """Commands that the server has run, also inside scripts; but INFO, which only the benchmark sends."""
    return sum(
        int(value.partition(",")[0].removeprefix("calls="))
        for name, value in info.items()
        if name.startswith("cmdstat_") and name != "cmdstat_info"
    )


def moves(bench: Bench) -> Table:
    """Each step of a job's way, one at a time and in batches."""
    table: Table = {}

    def count(name: str, jobs: int, work: Callable[[], Any]) -> None:
        table[name] = traffic(bench.server, jobs, work)

    one, batch = range(JOBS), range(JOBS // 100)
    count("enqueue, one by one", JOBS, lambda: [bench.task.enqueue() for _ in one])
    held: list[Settlement] = []
    count("claim, one a call", JOBS, lambda: held.extend(done for _ in one for done in bench.claim(1)))
    count("settle, one a call", JOBS, lambda: bench.settle(*([done] for done in held)))
    count("enqueue, 250 a call", JOBS, partial(bench.fill, JOBS))
    held.clear()
    count("claim, 100 a call", JOBS, lambda: held.extend(done for _ in batch for done in bench.claim(100)))
    count("settle, 100 a call", JOBS, lambda: bench.settle(*(held[i * 100 : i * 100 + 100] for i in batch)))
    bench.fill(JOBS)
    held[:] = bench.claim(100)

    def work() -> None:
        for _ in batch[1:]:
            held[:] = bench.claim(100, held)

    count("settle and claim in one write, 100 each", JOBS - 100, work)
    bench.settle(held)
    with patch.object(claimer, "KEEP_EVERY", 0.0):
        keeping = Bench(bench.server)
        keeping.claimer.exchange([], 1)
        # as if nobody had kept house for a while
        bench.server.control("HDEL", bench.sources[0].base + keys.NAMES["state"], "kept")
        count("a claim that finds nothing, and housekeeping", 1, lambda: keeping.claimer.exchange([], 1))
        keeping.close()
    return table


def memory(server: Server) -> Table:
    """Bytes in the server per job that waits, and per job that has ended and whose result, null, is kept."""
    warm = Bench(server)
    warm.fill(100)
    warm.drain(100)
    warm.close()
    server.flush()
    empty = _used_memory(server)
    bench = Bench(server)
    bench.fill(MEMORY_JOBS)
    bench.close()
    waiting = _used_memory(server)
    bench.drain(MEMORY_JOBS)
    bench.close()
    finished = _used_memory(server)
    return {
        "a waiting job": {"memory": round((waiting - empty) / MEMORY_JOBS, 1)},
        "a finished job": {"memory": round((finished - empty) / MEMORY_JOBS, 1)},
    }


def _used_memory(server: Server) -> int:
    """In bytes, once the server has freed what its last clients had, and has one hash table where it has two while it
    grows: it does so in its own time.
    """
    readings: list[int] = []
    deadline = time.monotonic() + 10.0
    while len(readings) < 6 or max(readings[-6:]) - min(readings[-6:]) > 1000:
        if time.monotonic() > deadline:
            raise SystemExit(f"the server's memory does not come to rest: {readings[-6:]}")
        time.sleep(0.05)
        info = server.info()
        if int(info.get("mem_overhead_db_hashtable_rehashing", 0)):
            readings.clear()
        readings.append(int(info["used_memory"]) - int(info["mem_clients_normal"]))
    return readings[-1]


def measure(kind: str) -> tuple[str, Table]:
    """The server's version, and the table."""
    # what is done every so often, and not for each job, is done once, before it counts
    never = patch.object(claimer, "KEEP_EVERY", math.inf), patch.object(producer, "ANNOUNCE_EVERY", math.inf)
    with never[0], never[1]:
        with Server(kind) as server:
            bench = Bench(server)
            for _ in range(2):  # whoever connects loads the scripts anew: the second time all are connected
                bench.fill(100)
                bench.drain(100)
            table = moves(bench)
            bench.close()
        with Server(kind) as server:
            return server.version, table | memory(server)


def exceeded(table: Table, accepted: Table) -> list[str]:
    """A line per number that is above the accepted one, or that nobody has accepted."""
    lines = []
    for case, counts in table.items():
        for name, value in counts.items():
            most = accepted.get(case, {}).get(name)
            if most is None:
                lines.append(f"{case}: {name} is {value:g}, and none is accepted")
            elif value > most + SLACK.get(name, 0.0):
                lines.append(f"{case}: {name} is {value:g}, and {most:g} is accepted")
    return lines


def show(version: str, table: Table) -> None:
    names = list(dict.fromkeys(name for counts in table.values() for name in counts))
    print(f"{version}\n{'per job':46}" + "".join(f"{name:>15}" for name in names))
    for case, counts in table.items():
        print(f"{case:46}" + "".join(f"{counts[name]:15g}" if name in counts else " " * 15 for name in names))
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", choices=KINDS, help="count on this one only (default: on those that are installed)")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, metavar="FILE", help="default: counting.json")
    parser.add_argument("--accept", action="store_true", help="write the numbers there, instead of comparing")
    args = parser.parse_args()
    kinds = [args.server] if args.server else [kind for kind in KINDS if program(kind)]
    accepted = json.loads(args.accepted.read_text()) if args.accepted.exists() else {}
    lines = []
    for kind in kinds:
        version, table = measure(kind)
        show(version, table)
        known = accepted.get(kind, {"version": "nothing", "per job": {}})
        lines += [f"{version}: {line} (on {known['version']})" for line in exceeded(table, known["per job"])]
        accepted[kind] = {"version": version, "per job": table}
    if args.accept:
        args.accepted.write_text(json.dumps(accepted, indent=2) + "\n")
        return 0
    if lines:
        print(*lines, HINT, sep="\n", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
