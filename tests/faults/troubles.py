"""Faults of the server and of the network to it: what hits everybody, or all that goes through one port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from redisq.scripts import CLAIM, ENQUEUE, SETTLE
from tests.faults.history import History
from tests.faults.network import Network
from tests.faults.schedule import Planned
from tests.servers import Server

#: Scripts whose answers are lost, and of how many bytes: a claim that was given nothing is answered with fewer.
DROPPED = (("", 0), (CLAIM.sha, 150), (CLAIM.sha, 150), (SETTLE.sha, 0), (ENQUEUE.sha, 0))


@contextmanager
def noted(history: History, fault: Planned, pids: Sequence[int] = ()) -> Iterator[None]:
    """Note when a fault begins and when it is over, and which processes it hits."""
    history.note("fault", n=fault.n, kind=fault.kind, target=fault.target, pids=list(pids))
    try:
        yield
    finally:
        history.note("over", n=fault.n)


class Troubles:
    """Carries them out: one at a time of the server's. A fault lasts less long once `stop` is set."""

    def __init__(self, server: Server, network: Network, history: History, stop: threading.Event) -> None:
        self._server = server
        self._network = network
        self._history = history
        self._stop = stop
        self._server_lock = threading.Lock()
        self.kinds: dict[str, Callable[[Planned], None]] = {
            "stop-server": self._stop_server,
            "pause-clients": self._pause_clients,
            "kill-clients": self._kill_clients,
            "flush-scripts": self._flush_scripts,
            "fill-memory": self._fill_memory,
            "drop-replies": self._drop_replies,
            "reset": self._reset,
            "latency": self._latency,
            "slices": self._slices,
        }

    def kill_server(self, fault: Planned) -> None:
        """SIGKILL, and a restart with the same files."""
        with self._server_lock, noted(self._history, fault, [self._server.pid]):
            self._server.kill()
            self._stop.wait(fault.hold)
            self._server.start()

    def black_hole(self, fault: Planned) -> None:
        """Connections that stay open, and on which nothing comes any more."""
        with noted(self._history, fault):
            self._network.order(fault.target, "hole", on=True)
            self._stop.wait(fault.hold)
            self._network.order(fault.target, "hole", on=False)

    def _stop_server(self, fault: Planned) -> None:
        with self._server_lock, noted(self._history, fault):
            self._server.pause()
            self._stop.wait(fault.hold)
            self._server.resume()

    def _pause_clients(self, fault: Planned) -> None:
        with self._server_lock, noted(self._history, fault), self._server.client() as client:
            client.client_pause(int(fault.hold * 1000))
            self._stop.wait(fault.hold)

    def _kill_clients(self, fault: Planned) -> None:
        with self._server_lock, noted(self._history, fault), self._server.client() as client:
            client.client_kill_filter(_type="normal")

    def _flush_scripts(self, fault: Planned) -> None:
        with self._server_lock, noted(self._history, fault), self._server.client() as client:
            client.script_flush()

    def _fill_memory(self, fault: Planned) -> None:
        with self._server_lock, noted(self._history, fault), self._server.client() as client:
            client.config_set("maxmemory", "1mb")
            self._stop.wait(fault.hold)
            client.config_set("maxmemory", "0")

    def _drop_replies(self, fault: Planned) -> None:
        """Of whatever comes next, or only of claims that were given jobs, of settles, of enqueues."""
        asked, least = DROPPED[int(fault.draw * len(DROPPED))]
        with noted(self._history, fault):
            count = 1 + int(fault.draw * 1000) % 9
            self._network.order(fault.target, "drop", count=count, asked=asked, bytes=least)
            self._stop.wait(fault.hold)
            self._network.order(fault.target, "drop", count=0, asked="", bytes=0)

    def _reset(self, fault: Planned) -> None:
        with noted(self._history, fault):
            self._network.order(fault.target, "reset")

    def _latency(self, fault: Planned) -> None:
        with noted(self._history, fault):
            self._network.order(fault.target, "latency", seconds=0.02 + 0.48 * fault.draw)
            self._stop.wait(fault.hold)
            self._network.order(fault.target, "latency", seconds=0)

    def _slices(self, fault: Planned) -> None:
        with noted(self._history, fault):
            self._network.order(fault.target, "slices", on=True)
            self._stop.wait(fault.hold)
            self._network.order(fault.target, "slices", on=False)
