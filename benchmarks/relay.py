"""A network between a client and a server on one machine: bytes pass through, each way late by half a round trip."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 20


@contextmanager
def network(port: int, round_trip: float) -> Iterator[int]:
    """The port through which the server at `port` is `round_trip` seconds away; its own where that is 0."""
    if not round_trip:
        yield port
        return
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if not pid:
        try:
            _accept(listener, port, round_trip / 2)
        finally:
            os._exit(0)
    near = listener.getsockname()[1]
    listener.close()
    try:
        yield near
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _accept(listener: socket.socket, port: int, delay: float) -> None:
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for source, target in ((near, far), (far, near)):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_pass_on, args=(source, target, delay), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, delay: float) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            time.sleep(delay)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
