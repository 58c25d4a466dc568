"""Processes of others: each command in a session of its own, all of which end with the run, however it ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Guard:
    """A process that outlives this one, and then kills what is left of the sessions that were named to it."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True)

    def watch(self, session: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{session}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Kill them now."""
        self._process.communicate()


class Group:
    """Commands that are started, measured and killed together, with all that they start in turn."""

    def __init__(self, guard: Guard, cwd: Path, environment: Mapping[str, str], output: Path) -> None:
        self._guard = guard
        self._cwd = cwd
        self._environment = environment
        self._output = output
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str]) -> None:
        with self._output.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=self._cwd, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self._guard.watch(process.pid)
        self._started.append(process)

    def ended(self) -> bool:
        """Whether one of the commands has ended by itself."""
        return any(process.poll() is not None for process in self._started)

    def cpu(self) -> float:
        """Seconds of processor time, with those of children that have ended."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._stats()) / TICK

    def memory(self) -> tuple[float, float]:
        """Megabytes: what each process has resident, summed, and with what they share split between them."""
        sums = {"Rss:": 0, "Pss:": 0}
        for pid, _ in self._stats():
            with suppress(FileNotFoundError, ProcessLookupError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, *value = line.split()
                    if name in sums:
                        sums[name] += int(value[0])
        return sums["Rss:"] / 1024, sums["Pss:"] / 1024

    def kill(self) -> None:
        """SIGKILL to all at once. They are gone when this returns."""
        kill({process.pid for process in self._started})
        for process in self._started:
            process.wait()
        self._started.clear()

    def _stats(self) -> Iterator[tuple[int, list[str]]]:
        return stats({process.pid for process in self._started})


def stats(sessions: set[int]) -> Iterator[tuple[int, list[str]]]:
    """The processes of these sessions that run: pid, and the fields of /proc/PID/stat from the state on."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
                if int(fields[3]) in sessions and fields[0] not in "ZX":
                    yield int(entry), fields


def kill(sessions: set[int]) -> None:
    """Again until none is left: one that is about to fork gets a child past the first look."""
    while pids := [pid for pid, _ in stats(sessions)]:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


class Share:
    """Which part of all processor time went to others since this was made: other processes, or other machines."""

    def __init__(self) -> None:
        self._before = _machine()
        self._own = _own()

    def foreign(self, alive: float) -> float:
        """From 0 to 1. `alive`: seconds of what was started since and still runs."""
        used, total = (now - then for now, then in zip(_machine(), self._before, strict=True))
        return max(0.0, used - (_own() - self._own) - alive) / total if total else 0.0


def _machine() -> tuple[float, float]:
    """Seconds since the machine started: used or stolen, and all there were."""
    first = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, idle, waiting, irq, softirq, steal = (int(field) / TICK for field in first.split()[1:9])
    used = user + nice + system + irq + softirq + steal
    return used, used + idle + waiting


def _own() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    kill({int(line) for line in sys.stdin})
