"""Where a job's microseconds go: each part of its way on its own, in the client and in the server, beside its floor.

A part of the client is its function in a loop. A command of a script is called by a script that calls nothing else, on
records as they are at that moment; what a script takes beyond its commands is Lua, its arguments and its reply. The
floor is what bare commands that move an item take, in pipelines.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import hiredis
from resp import pack
from runs import Figures, Run, options
from servers import Server
from tasks import app

from redisq import RedisQ
from redisq.claimed import Claimed, Settlement, Source
from redisq.claimer import Claimer, registration, settling
from redisq.endpoint import pack as packed
from redisq.producer import BATCH, NewJob
from redisq.scripts import BY_SHA, CLAIM, SETTLE, Script
from redisq.worker.runner import Runner

T = TypeVar("T")

STEPS = ("enqueue", "claim", "run", "settle", "in all")
WORKER = "worker-00001-0123456789"
NOW = b"1764000000000"
#: A command for each of some records, in Lua as the scripts have it; '' for none.
LOOP = "for i = 1, #ARGV do local key = KEYS[1] .. ARGV[i] %s end"
#: What claiming and settling write; values are as long as real ones.
WRITES = {
    "claim: HSET": f"redis.call('HSET', key, 's', 'r', 'w', '{WORKER}', 'c', {NOW.decode()}, 'd', 1)",
    "settle: HSET": f"redis.call('HSET', key, 'b', '', 's', 's', 'r', 'null', 'z', {NOW.decode()})",
    "settle: PEXPIRE": "redis.call('PEXPIRE', key, 86400000)",
}


def reading(script: Script) -> str:
    """The longest HMGET of a script, of a record."""
    calls = re.findall(r"'HMGET', .*?((?:, '\w+')+)\)", script.source)
    return f"redis.call('HMGET', key{max(calls, key=len)})"


class Part(NamedTuple):
    """Of a job's way: who does it, and the seconds that so many batches took."""

    where: str
    batches: int
    seconds: float


class Wire:
    """A connection whose replies are kept as bytes, so that parsing them can be measured on its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: bytes, replies: int) -> bytes:
        self._socket.sendall(request)
        reader, received = hiredis.Reader(), b""
        while replies:
            data = self._socket.recv(1 << 20)
            reader.feed(data)
            received += data
            while replies and reader.has_data() and reader.gets() is not False:
                replies -= 1
        return received

    def close(self) -> None:
        self._socket.close()


def parsed(data: bytes, replies: int) -> list[Any]:
    reader = hiredis.Reader()
    reader.feed(data)
    return [reader.gets() for _ in range(replies)]


class Costs:
    """One round: jobs that go their way in batches, and the seconds that each part took, by name."""

    def __init__(self, server: Server, jobs: int) -> None:
        self.server = server
        self.jobs = jobs
        self.app: RedisQ = app.replace(url=server.url)
        self.task = self.app.tasks["tasks.noop"]
        queue = self.app.queue("bench")
        self.base, self.bound, self.producer = queue.base, queue._bound, queue._producer
        self.sources = [Source("bench", queue.base)]
        self.runner = Runner(self.app, WORKER)
        self.wire = Wire(server.port)
        self.parts: dict[str, Part] = {}

    def measure(self) -> None:
        self.server.flush()
        self.parts = {}
        self.app.settings.server.call(registration(self.app.settings, self.sources, WORKER))
        for script in BY_SHA.values():
            self.server.control("SCRIPT", "LOAD", script.source)
        claimer = Claimer(self.app.settings, self.sources, WORKER)
        for number in range(self.jobs // BATCH):
            ids = self._enqueue()
            if number % 2:  # of these, the records are written to by the loops alone
                self._write(ids)
            else:
                self._run(claimer, ids)
            self._floor()
        for step in ("claim", "settle"):
            whole = self.figure(f"{step}: the script")
            commands = sum(self.figure(name) for name in self.parts if name.startswith((f"{step}: H", f"{step}: P")))
            self._add(f"{step}: Lua, arguments and reply", "server", (whole - commands) * BATCH / 1e6)
        self._add_up("in all: client", "client", lambda name: self.parts[name].where == "client")
        self._add_up("in all: the scripts", "server", lambda name: name.endswith(": the script"))
        self._add_up("in all: floor", "server", lambda name: ": floor" in name)
        claimer.close()

    def figure(self, name: str) -> float:
        """Microseconds of processor time a job."""
        part = self.parts[name]
        return part.seconds / (part.batches * BATCH) * 1e6

    def figures(self, name: str) -> Figures:
        return {f"{self.parts[name].where} us/job": self.figure(name)}

    def names(self) -> list[str]:
        """In the order of a job's way."""
        return sorted(self.parts, key=lambda name: STEPS.index(name.partition(":")[0]))

    def close(self) -> None:
        self.wire.close()
        self.app.close()

    def _enqueue(self) -> list[bytes]:
        new = self._client("enqueue: arguments to JSON, an id", self._new)
        prepared = self._client("enqueue: the call", lambda: self.producer.prepare(new))
        request = self._client("enqueue: the call to bytes", lambda: packed(prepared.commands))
        reply = self._server("enqueue: the script", request, len(prepared.commands))
        answers = self._client("enqueue: the reply from bytes", lambda: parsed(reply, len(prepared.commands)))
        jobs = self._client("enqueue: jobs", lambda: self.producer.conclude(prepared, answers))
        return [job.local_id.encode() for job in jobs]  # type: ignore[union-attr]

    def _run(self, claimer: Claimer, ids: Sequence[bytes]) -> None:
        self._loop("claim: HMGET", reading(CLAIM), ids)
        call = claimer._prepare([], BATCH)
        reply = self._server("claim: the script", packed(call.commands), len(call.commands))
        answers = self._client("claim: the reply from bytes", lambda: parsed(reply, len(call.commands)))
        _, jobs = self._client("claim: jobs", lambda: claimer._complete(call, answers))
        done = self._client("run: nothing", lambda: self._call(jobs))
        self._loop("settle: HMGET", reading(SETTLE), ids)
        calls = self._client("settle: the call", lambda: settling(self.app.settings, WORKER, done))
        request = self._client("settle: the call to bytes", lambda: packed(calls))
        self._server("settle: the script", request, len(calls))
        for job in jobs:
            claimer.drop(job)

    def _write(self, ids: Sequence[bytes]) -> None:
        for name, command in WRITES.items():
            self._loop(name, command, ids)
        self.server.control("LTRIM", f"{self.base}pending", BATCH, -1)

    def _floor(self) -> None:
        items = [b"x" * 100] * BATCH
        moves = {
            "enqueue: floor, LPUSH": [pack("LPUSH", "floor", item) for item in items],
            "claim: floor, LMOVE": [pack("LMOVE", "floor", "held", "RIGHT", "LEFT")] * BATCH,
            "settle: floor, LREM": [pack("LREM", "held", -1, item) for item in items],
        }
        for name, commands in moves.items():
            self._server(name, b"".join(commands), BATCH)

    def _new(self) -> list[NewJob]:
        return [self.bound._new("tasks.noop", ((), {})) for _ in range(BATCH)]

    def _call(self, jobs: Sequence[Claimed]) -> list[Settlement]:
        return [self.runner.run(job, self.runner.options(job)) for job in jobs]

    def _client(self, name: str, part: Callable[[], T]) -> T:
        began = time.thread_time()
        answer = part()
        self._add(name, "client", time.thread_time() - began)
        return answer

    def _server(self, name: str, request: bytes, replies: int) -> bytes:
        seconds, received = self._spent(request, replies)
        self._add(name, "server", seconds)
        return received

    def _loop(self, name: str, command: str, ids: Sequence[bytes]) -> None:
        """What the command takes beyond a loop without it."""
        with_it, without = (
            self._spent(pack("EVAL", LOOP % body, 1, f"{self.base}job:", *ids), 1)[0] for body in (command, "")
        )
        self._add(name, "server", with_it - without)

    def _spent(self, request: bytes, replies: int) -> tuple[float, bytes]:
        began = self.server.ticks()
        received = self.wire.exchange(request, replies)
        return (self.server.ticks() - began) / 1e9, received

    def _add_up(self, name: str, where: str, counts: Callable[[str], bool]) -> None:
        self._add(name, where, sum(self.figure(part) for part in list(self.parts) if counts(part)) * BATCH / 1e6)

    def _add(self, name: str, where: str, seconds: float) -> None:
        batches, before = self.parts[name][1:] if name in self.parts else (0, 0.0)
        self.parts[name] = Part(where, batches + 1, before + seconds)


def main() -> int:
    args = options(__doc__, jobs=20_000, rounds=7).parse_args()
    if args.jobs < 2 * BATCH:
        raise SystemExit(f"--jobs: at least {2 * BATCH}")
    with Server(args.server) as server:
        costs = Costs(server, args.jobs)
        costs.measure()  # warm
        run = Run(args, server.version)
        first, *others = costs.names()

        def measured() -> Figures:
            costs.measure()
            return costs.figures(first)

        run.take_turns({first: measured} | {name: partial(costs.figures, name) for name in others})
        costs.close()
    for name, (figures, *_) in run.rounds.items():
        for figure in figures:
            print(f"{name:36}{run.median(name, figure):8.2f}  {figure}")
    if args.save:
        run.save("costs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
