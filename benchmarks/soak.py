"""Memory over millions of jobs: of a worker, of its child, and of the server, which keeps the records of ended jobs.

Jobs are enqueued in portions, and each portion is run before the next: no more than one waits. The server keeps the
newest 100,000 records, and all of the last minute, so its memory grows for a minute and then no more. Exit code 1 if
memory grows from the second quarter to the last.
"""

from __future__ import annotations

import statistics
import sys
import time

from bench import Bench
from runs import Figures, Run, options
from servers import Server
from workers import Worker

MB = 1e6
#: How much more memory, at the median, the last quarter may take than the second. The server keeps the jobs of a minute,
#: so its memory follows the speed.
LIMITS = {"supervisor_pss_mb": 1.05, "child_pss_mb": 1.05, "server_mb": 1.25}


def sample(bench: Bench, worker: Worker, jobs: int, seconds: float) -> Figures:
    """After so many jobs in all."""
    supervisor, child = worker.memory()
    return {
        "jobs": jobs,
        "jobs_per_s": bench_rate(jobs, seconds),
        "supervisor_rss_mb": supervisor.rss / MB,
        "supervisor_pss_mb": supervisor.pss / MB,
        "child_rss_mb": child.rss / MB,
        "child_pss_mb": child.pss / MB,
        "server_mb": int(bench.server.info()["used_memory"]) / MB,
        "records": bench.server.control("DBSIZE"),
        "ended": bench.server.control("LLEN", bench.key("ended")),
    }
