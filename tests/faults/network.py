"""The network of the fault run: a process with a port for each part that reaches the server through it.

Each port has troubles of its own, which are ordered by lines of JSON on standard input, and acknowledged on standard
output:

    {"port": "w1", "do": "drop", "count": 3, "asked": "4e1f…", "bytes": 100}
                                                        the next three answers to what contains this text, of at least
                                                        so many bytes, are lost, and their connections reset
    {"port": "w1", "do": "reset"}                       all connections are reset
    {"port": "w1", "do": "hole", "on": true}            what exists, and what is made meanwhile, stays open and mute
    {"port": "w1", "do": "latency", "seconds": 0.2}     every piece is held back for up to so long; 0 ends it
    {"port": "w1", "do": "slices", "on": true}          pieces of one byte

It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PIECE = 65536
#: Of a large piece only so many bytes go one by one: each costs a system call.
SLICED = 1000


class Port:
    """One way to the server, and the troubles on it."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._connections: set[Connection] = set()
        self.drop = 0
        self.drop_asked = b""
        self.drop_bytes = 0
        self.hole = False
        self.latency = 0.0
        self.slices = False

    async def serve(self, listener: socket.socket) -> None:
        await asyncio.start_server(self._accept, sock=listener)

    def obey(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "drop":
                self.drop, self.drop_asked, self.drop_bytes = order["count"], order["asked"].encode(), order["bytes"]
            case "reset":
                for connection in list(self._connections):
                    connection.reset()
            case "hole":
                self.hole = order["on"]
                for connection in self._connections:
                    connection.mute = connection.mute or self.hole
            case "latency":
                self.latency = order["seconds"]
            case "slices":
                self.slices = order["on"]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(self, writer, far_writer)
        connection.mute = self.hole
        self._connections.add(connection)
        try:
            await asyncio.gather(connection.carry(reader, far_writer), connection.carry(far_reader, writer, True))
        except OSError:
            pass  # one of the two sides has gone
        finally:
            self._connections.discard(connection)
            connection.reset()


class Connection:
    """A client's connection and ours to the server. Once it is mute it stays so: what was lost would be missing."""

    def __init__(self, port: Port, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._port = port
        self._writers = (near, far)
        self._asked = b""
        self.mute = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool = False) -> None:
        port = self._port
        while data := await reader.read(PIECE):
            if self.mute:
                continue
            if is_answer and self._is_to_be_dropped(data):
                port.drop -= 1
                self.reset()
                return
            self._asked = b"" if is_answer else self._asked + data
            if port.latency:
                await asyncio.sleep(port.latency * random.uniform(0.002, 1.0))
            for piece in _sliced(data) if port.slices else (data,):
                if writer.is_closing():
                    break
                writer.write(piece)
                if port.slices:
                    await asyncio.sleep(0)
            await writer.drain()
        self.reset()

    def _is_to_be_dropped(self, answer: bytes) -> bool:
        port = self._port
        return port.drop > 0 and port.drop_asked in self._asked and len(answer) >= port.drop_bytes

    def reset(self) -> None:
        """End both sides, so that they see a reset rather than an orderly end."""
        for writer in self._writers:
            with contextlib.suppress(OSError, AttributeError):
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()


def _sliced(data: bytes) -> Sequence[bytes]:
    return [*(data[i : i + 1] for i in range(min(SLICED, len(data)))), data[SLICED:]]


class Network:
    """The process of the network, from the outside."""

    def __init__(self, upstream: int, names: Sequence[str], root: Path) -> None:
        listeners = {name: socket.create_server(("127.0.0.1", 0), backlog=256) for name in names}
        self.urls = {name: f"redis://127.0.0.1:{one.getsockname()[1]}/0" for name, one in listeners.items()}
        fds = {name: one.fileno() for name, one in listeners.items()}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.network", str(upstream), json.dumps(fds)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=list(fds.values()),
            start_new_session=True,
        )
        for one in listeners.values():
            one.close()

    def order(self, port: str, do: str, **how: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"port": port, "do": do, **how}).encode() + b"\n")
            self._process.stdin.flush()
            if not self._process.stdout.readline():
                raise ChildProcessError("the network has ended")

    def heal(self) -> None:
        """No trouble anywhere; what is mute ends."""
        for name in self.urls:
            self.order(name, "drop", count=0, asked="", bytes=0)
            self.order(name, "hole", on=False)
            self.order(name, "latency", seconds=0)
            self.order(name, "slices", on=False)
            self.order(name, "reset")

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=10)


async def main(upstream: int, fds: dict[str, int]) -> None:
    ports = {name: Port(upstream) for name in fds}
    for name, fd in fds.items():
        await ports[name].serve(socket.socket(fileno=fd))
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        ports[order["port"]].obey(order)
        sys.stdout.write("done\n")
        sys.stdout.flush()
    os._exit(0)  # at once: what is still connected need not be ended in order


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2])))
