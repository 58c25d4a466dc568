"""A peer's turn: an empty server, the peer's worker, and its producer; and what is measured with them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapters import jobs
from environments import HERE, environment, program
from processes import Group, Guard, Share, kill
from servers import Server
from variants import EACH_QUEUE, IDLE, SEND, Command, Variant

#: Seconds.
START_TIMEOUT = 30.0
DRAIN_TIMEOUT = 60.0
PRODUCER_TIMEOUT = 120.0
ENQUEUE = 1.5
LATENCY = 3.0
RESULTS = 1.0
#: Jobs.
LATENCY_JOBS = 150
MEMORY_JOBS = 4000
WARM_JOBS = 20
#: Producers that fill a queue before it is drained.
FILLERS = 2

Figures = dict[str, float]


class Failed(Exception):
    """A peer did not do what it was asked for. Says what it said."""


class Turn:
    """Everything of one variant's turn, gone at the end of the `with` block."""

    def __init__(self, variant: Variant, home: Path, kind: str, guard: Guard, queues: Command) -> None:
        self.variant = variant
        self.queues = queues
        self.home = home
        self._guard = guard
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redisq-peers-")))
            self.marks = self._folder / "marks"
            self.marks.touch()
            self.server = stack.enter_context(Server(kind))
            guard.watch(self.server.pid)
            self._environment = environment(home, variant.peer) | {
                "PEERS_PORT": str(self.server.port),
                "PEERS_MARKS": str(self.marks),
                "PEERS_OPTIONS": json.dumps(variant.options),
                "PEERS_QUEUES": ",".join(queues),
            }
            self.worker = Group(guard, HERE, self._environment, self._folder / "output")
            stack.callback(self.worker.kill)
            self._stack = stack.pop_all()
        self.load = round(os.getloadavg()[0], 2)
        self._share = Share()

    def start_worker(self) -> None:
        names = {"url": self.server.url, "port": self.server.port, "queues": ",".join(self.queues)}
        for copy in range(self.variant.copies):
            words = [self.queues if (word,) == EACH_QUEUE else [word] for word in self.variant.command]
            name, *arguments = (word.format(**names, copy=copy) for some in words for word in some)
            self.worker.start([program(self.home, self.variant.peer, name), *arguments])

    def produce(self, *producers: list[list[Any]]) -> list[list[Figures]]:
        """What each producer's steps measured. The producers run at the same time."""
        python = program(self.home, self.variant.peer, "python")
        running = [
            subprocess.Popen(
                [python, "producer.py", self.variant.peer, json.dumps(steps)],
                cwd=HERE,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            for steps in producers
        ]
        for process in running:
            self._guard.watch(process.pid)
        try:
            return [self._answer(process) for process in running]
        finally:
            kill({process.pid for process in running})
            for process in running:
                process.wait()

    def started(self) -> int:
        """How many marks the jobs have made."""
        return jobs.count(self.marks)

    def wait_marks(self, count: int, timeout: float) -> None:
        """Until so many jobs have said that they started."""
        self.wait(
            lambda: jobs.count(self.marks) >= count, timeout, lambda: f"{jobs.count(self.marks)} of {count} marks"
        )

    def wait(self, condition: Callable[[], bool], timeout: float, what: Callable[[], str]) -> None:
        end = time.monotonic() + timeout
        while not condition():
            if self.worker.ended() or time.monotonic() > end:
                raise Failed(f"{what()}; the worker says: {self.said()}")
            time.sleep(0.005)

    def said(self) -> str:
        """The last line of the worker that looks like an error, or its last one."""
        lines = [line for line in (self._folder / "output").read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line or "error" in line]
        return (errors or lines or ["nothing"])[-1].strip()[:200]

    def foreign(self) -> float:
        """The share of processor time that went to others in this turn so far."""
        return round(self._share.foreign(self.worker.cpu() + self.server.cpu()), 3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _answer(self, process: subprocess.Popen[str]) -> list[Figures]:
        try:
            output, errors = process.communicate(timeout=PRODUCER_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Failed(f"the producer is not done after {PRODUCER_TIMEOUT:.0f} s") from None
        if process.returncode:
            raise Failed(f"the producer: {(errors.strip().splitlines() or ['nothing'])[-1][:200]}")
        answer: list[Figures] = json.loads(output.splitlines()[-1])
        return answer


def drain(turn: Turn) -> Figures:
    """From the first job's start to the last one's; what a job costs, from soon after the first one on."""
    count = turn.variant.jobs
    turn.produce(*[[["fill", "noop", 0, count // FILLERS]]] * FILLERS)
    count -= count % FILLERS
    turn.start_worker()
    turn.wait_marks(1, START_TIMEOUT)
    seen, client, server = turn.started(), turn.worker.cpu(), turn.server.cpu()
    turn.wait_marks(count, DRAIN_TIMEOUT)
    client, server = turn.worker.cpu() - client, turn.server.cpu() - server
    times = sorted(when for _, when in jobs.read(turn.marks)[:count])
    figures = {"jobs_per_s": (count - 1) / (times[-1] - times[0]) * 1e9}
    if count > seen:
        figures |= {"client_us": client / (count - seen) * 1e6, "server_us": server / (count - seen) * 1e6}
    return figures


def send(turn: Turn, workloads: set[str]) -> dict[str, Figures]:
    """What needs no worker."""
    figures = {"memory": memory(turn)} if "memory" in workloads else {}
    steps = {"enqueue": ["enqueue", ENQUEUE], "bulk": ["many", ENQUEUE]}
    chosen = {name: step for name, step in steps.items() if name in workloads}
    return figures | dict(zip(chosen, turn.produce(list(chosen.values()))[0], strict=True))


def memory(turn: Turn) -> Figures:
    """Of jobs that come to others, when their producer is gone: neither scripts nor buffers of clients count."""

    def used(jobs: int) -> int:
        turn.produce([["fill", "noop", 0, jobs]])
        turn.wait(lambda: turn.server.info()["connected_clients"] == "1", START_TIMEOUT, lambda: "the producer stays")
        return int(turn.server.info()["used_memory"])

    before = used(MEMORY_JOBS // 4)
    return {"bytes": (used(MEMORY_JOBS) - before) / MEMORY_JOBS}


def idle(turn: Turn, workloads: set[str]) -> dict[str, Figures]:
    """What needs a worker that waits. Its memory is read when it has run all of these jobs."""
    steps = {"latency": ["latency", LATENCY_JOBS, LATENCY, turn.variant.rest], "results": ["results", RESULTS]}
    chosen = {name: step for name, step in steps.items() if name in workloads}
    turn.start_worker()
    _, *measured = turn.produce([["warm", WARM_JOBS], *chosen.values()])[0]
    figures = dict(zip(chosen, measured, strict=True))
    if "footprint" in workloads:
        rss, pss = turn.worker.memory()
        figures["footprint"] = {"rss_mb": rss, "pss_mb": pss, "import_ms": import_time(turn)}
    return figures


def import_time(turn: Turn) -> float:
    """Milliseconds of processor time that importing the peer takes, in a process of its own."""
    module = turn.variant.module or turn.variant.peer
    code = f"import time; began = time.process_time(); import {module}; print(time.process_time() - began)"
    command = [program(turn.home, turn.variant.peer, "python"), "-c", code]
    return float(subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout) * 1000


def measure(turn: Turn, workloads: set[str]) -> dict[str, Figures]:
    """The figures of these workloads, which one turn can have together: see `GROUPS`."""
    if workloads & set(SEND):
        return send(turn, workloads)
    if workloads & set(IDLE):
        return idle(turn, workloads)
    figures = drain(turn)
    if "limits" in workloads:
        return {"limits": {"per_s": figures.pop("jobs_per_s")} | figures}
    return {"drain": figures}


#: Workloads that share a turn.
GROUPS = (("drain",), ("limits",), SEND, IDLE)
