"""The nemesis: carries out the faults that are planned, and notes when each begins and when it is over."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import redis

import redisq
from tests.faults.fleet import Fleet, Part, children
from tests.faults.history import History
from tests.faults.network import Network
from tests.faults.schedule import Planned
from tests.faults.troubles import Troubles, noted
from tests.faults.workload import QUEUES, Spec, app
from tests.servers import Server

#: Workers that may be away at the same time, and of those that look into the same queue first: somebody has to be there
#: to take back what they held, and nobody's recovery is to wait behind the jobs of another queue.
AWAY = 2
AWAY_OF_A_KIND = 1
#: Jobs that are put before everybody when workers are about to be hit, so that they are hit while they run something.
BAITS = 4
#: Seconds that a worker may take to start a child; more only if the server is away.
BOOT = 15.0

#: Worker -> the queues into which it looks, in this order. Each is the first of two workers.
ORDERS = {f"w{i}": (*QUEUES[i % 3 :], *QUEUES[: i % 3]) for i in range(6)}
FIRST = {worker: queues[0] for worker, queues in ORDERS.items()}


class Nothing(Exception):
    """There was nothing to hit."""


class Nemesis:
    """Hits a fleet, its network and its server. Each fault has a thread; a part is hit by one fault at a time."""

    def __init__(self, fleet: Fleet, network: Network, server: Server, history: History) -> None:
        self._fleet = fleet
        self._history = history
        self._app = app.replace(url=server.url)
        self._away = threading.Semaphore(AWAY)
        self._away_of_a_kind = {queue: threading.Semaphore(AWAY_OF_A_KIND) for queue in QUEUES}
        self._baits = 0
        self._baiting = threading.Lock()
        self._stop = threading.Event()
        self._troubles = Troubles(server, network, history, self._stop)
        self._errors: list[BaseException] = []
        self._thread = threading.Thread()
        self._faults: dict[str, Callable[[Planned], None]] = {
            "kill-child": self._kill_child,
            "kill-worker": self._kill_worker,
            "kill-supervisor": self._kill_supervisor,
            "stop-worker": self._stop_worker,
            "stop-child": self._stop_child,
            "deploy": self._deploy,
            "stop-consumer": self._stop_part,
            "kill-server": self._kill_server,
            "black-hole": self._black_hole,
            **self._troubles.kinds,
        }
        for name in ("consumer", "producer", "reader", "relay", "service"):
            self._faults[f"kill-{name}"] = self._kill_part

    def start(self, faults: Sequence[Planned]) -> None:
        """Begin; each fault comes at its time from now on."""
        self._thread = threading.Thread(target=self._run, args=[faults], daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether the last fault is over."""
        return not self._thread.is_alive()

    def raise_error(self) -> None:
        """What went wrong while a fault was carried out, if anything did."""
        if self._errors:
            raise self._errors[0]

    def close(self) -> None:
        """End the faults that there are, and begin no other."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self, faults: Sequence[Planned]) -> None:
        began = time.monotonic()
        threads = []
        for fault in faults:
            self._stop.wait(max(0.0, began + fault.at - time.monotonic()))
            if self._stop.is_set():
                break
            threads.append(threading.Thread(target=self._hit, args=[fault], daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _hit(self, fault: Planned) -> None:
        try:
            self._faults[fault.kind](fault)
        except (Nothing, redis.RedisError, ProcessLookupError) as error:
            self._history.note("missed", n=fault.n, why=f"{type(error).__name__}: {error}")
        except BaseException as error:
            self._errors.append(error)
            raise

    @contextlib.contextmanager
    def _gone(self, worker: str) -> Iterator[Part]:
        """The worker, which nobody else hits at the moment, as one of those that are away."""
        part = self._fleet.parts[worker]
        with part.lock, self._away_of_a_kind[FIRST[worker]], self._away:
            yield part

    @contextlib.contextmanager
    def _worker(self, fault: Planned) -> Iterator[Part]:
        """The same, busy."""
        with self._gone(fault.target) as part:
            self._bait(FIRST[fault.target], "long", 300, BAITS)
            self._stop.wait(0.15)
            yield part

    def _bait(self, queue: str, sort: str, ms: int, count: int) -> None:
        """Enqueue jobs at once; not at all if the server is away."""
        with self._baiting:
            specs = [Spec(f"n-{self._baits + i}", sort, ms) for i in range(count)]
            self._baits += count
        keys = [spec.key for spec in specs]
        self._history.note("invoke", keys=keys, sorts=[sort] * count, feed=False)
        with contextlib.suppress(redisq.RedisQError):
            jobs = self._app.queue(queue).enqueue_many(sort, [((str(spec),), {}) for spec in specs])
            self._history.note("ack", keys=keys, ids=[job.id for job in jobs])

    # Workers

    def _child(self, part: Part, fault: Planned) -> int:
        found = sorted(children(part.pid))
        if not found:
            raise Nothing("it has no child")
        return found[int(fault.draw * len(found))]

    def _kill_child(self, fault: Planned) -> None:
        with self._worker(fault) as part:
            pid = self._child(part, fault)
            with noted(self._history, fault, [pid]):
                os.kill(pid, signal.SIGKILL)
            self._stop.wait(1.0)

    def _kill_worker(self, fault: Planned) -> None:
        with self._worker(fault) as part, noted(self._history, fault, [part.pid, *children(part.pid)]):
            self._fleet.kill(part)
            self._stop.wait(fault.hold)
            self._start(part)

    def _kill_supervisor(self, fault: Planned) -> None:
        """Its children see that they are orphans, and end."""
        with self._worker(fault) as part, noted(self._history, fault, [part.pid, *children(part.pid)]):
            self._fleet.kill_parent(part)
            self._stop.wait(fault.hold)
            self._fleet.wait_for_group(part)
            self._start(part)

    def _stop_worker(self, fault: Planned) -> None:
        with self._worker(fault) as part:
            self._stop_group(fault, part, [part.pid, *children(part.pid)])
            self._stop.wait(1.0)

    def _stop_child(self, fault: Planned) -> None:
        with self._worker(fault) as part:
            pid = self._child(part, fault)
            with noted(self._history, fault, [pid]):
                os.kill(pid, signal.SIGSTOP)
                self._stop.wait(fault.hold)
                with contextlib.suppress(ProcessLookupError):  # its supervisor may have killed it
                    os.kill(pid, signal.SIGCONT)

    def _start(self, part: Part) -> None:
        """Start a worker, and let it come as far as to know what a signal means."""
        self._fleet.start(part)
        end = time.monotonic() + BOOT
        while part.runs and not children(part.pid) and time.monotonic() < end:
            self._stop.wait(0.1)

    def _deploy(self, fault: Planned) -> None:
        """Every worker in turn: an orderly end, which is no fault that explains anything, and a new one."""
        with noted(self._history, fault):
            for part in [self._fleet.parts[name] for name in FIRST]:
                with part.lock:
                    if code := self._fleet.terminate(part):
                        self._history.note("died", slot=part.name, code=code)
                    self._start(part)

    # Other parts

    def _kill_part(self, fault: Planned) -> None:
        part = self._fleet.parts[fault.target]
        with part.lock:
            if not part.runs:
                raise Nothing("it has ended")
            with noted(self._history, fault, [part.pid]):
                self._fleet.kill(part)
            self._stop.wait(fault.hold)
            self._fleet.start(part)

    def _stop_part(self, fault: Planned) -> None:
        part = self._fleet.parts[fault.target]
        with part.lock:
            self._stop_group(fault, part, [part.pid])

    def _stop_group(self, fault: Planned, part: Part, pids: Sequence[int]) -> None:
        with noted(self._history, fault, pids):
            self._fleet.signal_group(part, signal.SIGSTOP)
            self._stop.wait(fault.hold)
            self._fleet.signal_group(part, signal.SIGCONT)

    # The server and the network

    def _kill_server(self, fault: Planned) -> None:
        self._troubles.kill_server(fault)
        for turn in range(20):  # work for everybody, so that it can be seen when each begins again
            self._bait(QUEUES[turn % len(QUEUES)], "brief", 10, 40)
            self._stop.wait(0.2)

    def _black_hole(self, fault: Planned) -> None:
        with self._gone(fault.target) if fault.target in FIRST else contextlib.nullcontext():
            self._troubles.black_hole(fault)
