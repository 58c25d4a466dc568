"""Load for an HTTP service: the same request again and again over so many kept connections, from one thread.

It does as little as it can for each, so that it takes little of the cores that it shares with what it measures.
"""

from __future__ import annotations

import selectors
import socket
import time
from typing import NamedTuple

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
# Seconds for the answers that are still to come when the time is up.
_PATIENCE = 30.0


class Load(NamedTuple):
    """What came of it: seconds until the last answer, milliseconds of each by length, how many said something else."""

    seconds: float
    times: list[float]
    wrong: int

    @property
    def per_s(self) -> float:
        return len(self.times) / self.seconds

    def percentile(self, percent: int) -> float:
        return self.times[min(len(self.times) - 1, len(self.times) * percent // 100)]


class _Connection:
    """Sends a request whenever it has the answer to the last."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._answer = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self._answer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> bytes | None:
        """The status of the answer, once all of it is here. Raises ConnectionError if it will not be."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the service has hung up")
        self._answer += piece
        head, end, body = self._answer.partition(_END_OF_HEAD)
        if not end or len(body) < _length(head):
            return None
        return head[9:12]


def load(port: int, request: bytes, status: bytes, connections: int, seconds: float) -> Load:
    """Sends for so many seconds, and waits for the answers. `status`: of a right one."""
    times: list[float] = []
    wrong = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = _Connection(port, request)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        began = now = time.perf_counter()
        until = began + seconds
        while selector.get_map():
            ready = selector.select(max(0.0, until + _PATIENCE - now))
            if not ready:
                raise TimeoutError(f"no answer within {_PATIENCE:.0f} s")
            for key, _ in ready:
                connection = key.data
                found = connection.receive()
                if found is None:
                    continue
                now = time.perf_counter()
                times.append((now - connection.sent_at) * 1000)
                wrong += found != status
                if now < until:
                    connection.send()
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
    return Load(now - began, sorted(times), wrong)


def message(method: str, path: str, login: str | None, form: str = "") -> bytes:
    """A request as it goes over the wire. `login`: the value of Authorization."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if login is not None:
        lines.append(f"Authorization: {login}")
    if form:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
    return "\r\n".join([*lines, "", form]).encode()


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(_LENGTH) + len(_LENGTH)
    return int(lowered[start:].partition(b"\r\n")[0])
