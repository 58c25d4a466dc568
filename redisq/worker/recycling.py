"""Replacing children that have run many jobs, have grown large, or are ordered to go: the successor serves before the
old one stops.

Both limits are looked at from outside, a few times a second: a child runs some more jobs than its limit, and no job is
cut short for it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .process import Process

log = logging.getLogger(__name__)

#: Seconds between two looks at how large the children are.
MEASURE_EVERY = 1.0
_MIB = 1024 * 1024
_PROC = Path("/proc")


class Recycling:
    """`max_jobs` and `max_memory` (MiB of resident memory) of one child; None for no limit."""

    def __init__(self, max_jobs: int | None, max_memory: int | None) -> None:
        self._max_jobs = max_jobs
        self._max_memory = max_memory
        self._measure_at = 0.0
        self._ordered: list[Process] = []

    def order(self, child: Process) -> None:
        """It is to be replaced whatever it has run."""
        self._ordered.append(child)

    def look(self, children: Sequence[Process], processes: int) -> int:
        """Mark who is worn, and stop as many of those as others serve in their place. How many have to be started."""
        self._ordered = [child for child in self._ordered if child in children]
        if self._max_jobs is None and self._max_memory is None and not self._ordered:
            return 0
        fresh = [child for child in children if not child.worn]
        memory = self._measure(fresh)
        for child in fresh:
            jobs, mib = child.slot.jobs(), memory.get(child.pid, 0.0)
            if child in self._ordered or self._too_many(jobs) or self._too_large(jobs, mib):
                child.worn = True
                log.info("worker.worn worker=%s jobs=%d mib=%.0f", child.worker, jobs, mib)
        self._let_go(children, processes)
        return sum(child.worn for child in fresh)

    def _too_many(self, jobs: int) -> bool:
        return self._max_jobs is not None and jobs >= self._max_jobs

    def _too_large(self, jobs: int, mib: float) -> bool:
        # one that has run nothing is as small as they get: to replace it would never end
        return self._max_memory is not None and mib > self._max_memory and jobs > 0

    def _measure(self, children: Sequence[Process]) -> dict[int, float]:
        if self._max_memory is None or time.monotonic() < self._measure_at:
            return {}
        self._measure_at = time.monotonic() + MEASURE_EVERY
        return resident([child.pid for child in children])

    def _let_go(self, children: Sequence[Process], processes: int) -> None:
        going = [child for child in children if child.worn and not child.leaving]
        serving = sum(child.serves and not child.worn for child in children)
        for child in going[: max(0, serving + len(going) - processes)]:
            child.leaving = True
            child.terminate()


def resident(pids: Sequence[int]) -> dict[int, float]:
    """MiB of memory that each of these processes has in RAM, shared pages included; nothing of one that is gone."""
    if not (_PROC / "self/statm").exists():
        return _ask_ps(pids)
    sizes = {}
    for pid in pids:
        try:
            pages = (_PROC / str(pid) / "statm").read_text().split()[1]
        except (OSError, IndexError):
            continue
        sizes[pid] = int(pages) * os.sysconf("SC_PAGE_SIZE") / _MIB
    return sizes


def _ask_ps(pids: Sequence[int]) -> dict[int, float]:
    """Where there is no /proc: macOS."""
    if not pids:
        return {}
    command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids))]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=5.0, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("worker.unmeasured error=%s", error)
        return {}
    return {int(pid): int(kib) / 1024 for pid, kib in map(str.split, listing.splitlines())}
