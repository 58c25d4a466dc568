"""Memory over millions of jobs: of a worker, of its child, and of the server, which keeps the records of ended jobs.

Jobs are enqueued in portions, each run before the next one comes, so at most a portion waits. The server keeps the
newest 100,000 records and those of the last minute, so its memory grows for a minute and follows the speed from there.
Exit code 1 if the last quarter takes more than the second did: of a process, or of the server for each record.
"""

from __future__ import annotations

import math
import statistics
import sys
import time

from bench import Bench
from runs import Figures, Run, options
from servers import Server
from workers import Worker

MB = 1e6
#: By what factor the median of the last quarter may be above the second's.
LIMITS = {"supervisor_rss_mb": 1.05, "child_rss_mb": 1.05, "record_bytes": 1.25}
#: Records that are kept in any case, and the seconds for which all are.
KEPT = 100_000
YOUNG = 60.0


def sample(bench: Bench, worker: Worker, jobs: int, rate: float) -> Figures:
    """After so many jobs in all, the last ones run at this rate."""
    supervisor, child = worker.memory()
    used, records = int(bench.server.info()["used_memory"]), bench.server.control("DBSIZE")
    return {
        "jobs": jobs,
        "jobs_per_s": rate,
        "supervisor_rss_mb": supervisor.rss / MB,
        "supervisor_pss_mb": supervisor.pss / MB,
        "child_rss_mb": child.rss / MB,
        "child_pss_mb": child.pss / MB,
        "server_mb": used / MB,
        "records": records,
        "record_bytes": used / records,
    }


def run_portion(bench: Bench, worker: Worker, jobs: int) -> float:
    """Enqueue so many jobs and have them run. Answers how many a second that was."""

    def all_ended() -> bool:
        counts = bench.queue.counts()
        if counts["failed"]:
            raise SystemExit(f"{counts['failed']} jobs have failed")
        return not counts["queued"] and not counts["running"]

    began = time.perf_counter()
    bench.enqueue(jobs)
    worker.wait(all_ended)
    return jobs / (time.perf_counter() - began)


def show(samples: list[Figures]) -> None:
    """A tenth of the samples."""
    print("".join(f"{name:>20}" for name in samples[0]))
    for figures in [*samples[:: max(1, len(samples) // 10)], samples[-1]]:
        print("".join(f"{value:20,.1f}" for value in figures.values()))


def grown(samples: list[Figures]) -> list[str]:
    """A line for each figure that has grown beyond its limit from the second quarter to the last, and if more records
    are kept than the fastest minute can have left, with a tenth for what is being trimmed.
    """
    quarter = math.ceil(len(samples) / 4)
    lines = []
    for name, limit in LIMITS.items():
        second, last = (
            statistics.median(figures[name] for figures in part)
            for part in (samples[quarter : 2 * quarter] or samples, samples[-quarter:])
        )
        if last > second * limit:
            lines.append(f"{name}: {second:.1f} in the second quarter, {last:.1f} in the last")
    most = 1.1 * (KEPT + YOUNG * max(figures["jobs_per_s"] for figures in samples))
    if samples[-1]["records"] > most:
        lines.append(f"records: {samples[-1]['records']:.0f} are kept, at most {most:.0f} should be")
    return lines


def main() -> int:
    parser = options(__doc__, jobs=10_000_000, rounds=1)
    parser.add_argument("--portion", type=int, default=100_000, help="jobs between two samples (default: 100000)")
    parser.add_argument("--result-ttl", type=float, metavar="SECONDS", help="of each job (default: its task's, a day)")
    args = parser.parse_args()
    with Server(args.server) as server, Worker(server.url) as worker:
        bench = Bench(server)
        if args.result_ttl is not None:
            bench.task = bench.task.options(result_ttl=args.result_ttl)
        bench.wait_for_workers([worker])
        run = Run(args, server.version)
        ended = 0

        def portion() -> Figures:
            nonlocal ended
            rate = run_portion(bench, worker, args.portion)
            ended += args.portion
            return sample(bench, worker, ended, rate)

        args.rounds = max(1, args.jobs // args.portion)
        run.take_turns({"soak": portion})
        bench.close()
    samples = run.rounds["soak"]
    show(samples)
    if args.save:
        run.save("soak")
    lines = grown(samples)
    print(*lines, sep="\n", file=sys.stderr, end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
