"""A TCP proxy in front of a server, which a test makes unreliable: it loses replies, resets, stalls, slices, delays."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65536


class Proxy:
    """Forwards connections of 127.0.0.1 to the server at `url`. The faults are switched by its attributes, at any time.

    `drop_reply`: that many of the next answers are lost and their connections reset, after the server has executed what
    was asked. `drop_when`: only answers to requests that contain these bytes are lost. `on_drop` is called before the
    reset. `black_hole`: bytes are read and thrown away, both ways. `latency`: seconds that every chunk is held back.
    `slices`: bytes are passed on one by one.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self.drop_reply = 0
        self.drop_when = b""
        self.on_drop: Callable[[], object] = bool
        self.black_hole = False
        self.latency = 0.0
        self.slices = False
        self.dropped = 0
        self.requests = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse connections from now on, and end those that there are."""
        self._listener.close()
        self.reset()

    def reset(self) -> None:
        """End all connections with a reset."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _reset(pair)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._upstream)
            except OSError:
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add((near, far))
            asked: list[bytes] = []
            threading.Thread(target=self._requests, args=(near, far, asked), daemon=True).start()
            threading.Thread(target=self._replies, args=(near, far, asked), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket, asked: list[bytes]) -> None:
        while data := _read(near):
            asked.append(data)
            self.requests += 1
            if not self.black_hole and not self._send(far, data):
                break
        _reset((near, far))

    def _replies(self, near: socket.socket, far: socket.socket, asked: list[bytes]) -> None:
        while data := _read(far):
            if self._is_to_be_dropped(asked):
                break
            asked.clear()
            if not self.black_hole and not self._send(near, data):
                break
        _reset((near, far))

    def _is_to_be_dropped(self, asked: list[bytes]) -> bool:
        with self._lock:
            if self.drop_reply == 0 or self.drop_when not in b"".join(asked):
                return False
            self.drop_reply -= 1
            self.dropped += 1
        self.on_drop()
        return True

    def _send(self, end: socket.socket, data: bytes) -> bool:
        if self.latency:
            time.sleep(self.latency)
        try:
            for piece in [data[i : i + 1] for i in range(len(data))] if self.slices else [data]:
                end.sendall(piece)
        except OSError:
            return False
        return True


def _read(end: socket.socket) -> bytes:
    try:
        return end.recv(_CHUNK)
    except OSError:
        return b""


def _reset(pair: tuple[socket.socket, socket.socket]) -> None:
    """Close so that the other side sees a reset, and whoever reads here stops."""
    for end in pair:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # closed already, by the thread of the other direction
        finally:
            end.close()
