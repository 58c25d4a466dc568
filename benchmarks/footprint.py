"""What a worker takes before it has done anything, and after many jobs; and what `import redisq` takes.

Exit code 1 if it is more than it may be.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial

from bench import Bench
from runs import Figures, Run, options
from servers import Server
from workers import Worker

MB = 1e6
#: The most that a supervisor and one child may take together (PSS: what they share counts once), and the most processor
#: time of an import, in ms.
MOST_MB = 60.0
MOST_MS = 100.0
IMPORTS = 10

IMPORT = """
import time
began = time.process_time()
import {}
print((time.process_time() - began) * 1e3)
"""


class Footprint:
    """A worker of one child, in each round a new one."""

    def __init__(self, server: Server, jobs: int) -> None:
        self.bench = Bench(server)
        self.jobs = jobs
        self._after: Figures = {}

    def idle(self) -> Figures:
        with Worker(self.bench.server.url) as worker:
            self.bench.wait_for_workers([worker])
            idle = figures(worker)
            self.bench.queue.pause()
            self.bench.enqueue(self.jobs)
            self.bench.drain([worker], self.jobs)
            self._after = figures(worker)
        return idle

    def after(self) -> Figures:
        """Of the worker that idle() has measured."""
        return self._after


def figures(worker: Worker) -> Figures:
    supervisor, child = worker.memory()
    return {
        "rss_mb": (supervisor.rss + child.rss) / MB,
        "pss_mb": (supervisor.pss + child.pss) / MB,
        "supervisor_rss_mb": supervisor.rss / MB,
        "supervisor_pss_mb": supervisor.pss / MB,
        "child_rss_mb": child.rss / MB,
        "child_pss_mb": child.pss / MB,
    }


def imports(module: str) -> Figures:
    """Milliseconds of processor time of the median process."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(IMPORTS)]
    return {"import_ms": statistics.median(times)}


def main() -> int:
    args = options(__doc__, jobs=100_000, rounds=5).parse_args()
    imports("redisq")  # compiled, and in the page cache
    with Server(args.server) as server:
        footprint = Footprint(server, args.jobs)
        run = Run(args, server.version)
        after = f"after {args.jobs:,} jobs"
        run.take_turns({"idle": footprint.idle, after: footprint.after})
        run.take_turns({f"import {module}": partial(imports, module) for module in ("redisq", "redis")})
        footprint.bench.close()
    memory, ms = run.median(after, "pss_mb"), run.median("import redisq", "import_ms")
    for way in ("idle", after):
        both, shared = run.median(way, "rss_mb"), run.median(way, "pss_mb")
        print(f"{way}: RSS {both:.1f} MB, PSS {shared:.1f} MB, of the supervisor and a child together")
    print(f"import redisq: {ms:.1f} ms, of which redis-py {run.median('import redis', 'import_ms'):.1f} ms")
    if args.save:
        run.save("footprint")
    return 1 if memory > MOST_MB or ms > MOST_MS else 0


if __name__ == "__main__":
    sys.exit(main())
