"""The least that a client of Redis can be: a socket, and commands packed by hand. The limit for all others."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any


def pack(*words: bytes | str | int | float) -> bytes:
    """One command as it goes over the wire."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        out += (b"$%d\r\n" % len(data), data, b"\r\n")
    return b"".join(out)


class Resp:
    """A connection. `sent` and `received` count its bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self.sent = 0
        self.received = 0

    def __call__(self, *words: bytes | str | int | float) -> Any:
        """One command, and its reply."""
        return self.exchange(pack(*words), 1)[0]

    def exchange(self, packed: bytes, replies: int) -> Sequence[Any]:
        """Send packed commands in one write, and read so many replies. An error that is answered is raised."""
        self.send(packed)
        return self.receive(replies)

    def send(self, packed: bytes) -> None:
        self.sent += len(packed)
        self._socket.sendall(packed)

    def receive(self, replies: int) -> Sequence[Any]:
        return [self._read() for _ in range(replies)]

    def close(self) -> None:
        self._replies.close()
        self._socket.close()

    def _read(self) -> Any:
        line = self._replies.readline()
        if not line:
            raise ConnectionError("the server has closed the connection")
        self.received += len(line)
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self._read() for _ in range(size)]
        data = self._replies.read(size + 2)
        self.received += len(data)
        return data[:-2]
