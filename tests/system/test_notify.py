"""What systemd hears of a worker, on a real socket."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from redisq.worker.notify import Notifier
from tests.system.shop import CODE, Shop
from tests.waiting import wait_until

SLOW = 30.0


class Listener:
    """systemd's end. `heard`: what came, with the pid of who sent it where the kernel tells that."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if sys.platform == "linux":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address)
        self._socket.setblocking(False)
        self.heard: list[str] = []
        self.pids: set[int] = set()

    def hears(self, line: str, times: int = 1) -> bool:
        try:
            while True:
                data, extra, _, _ = self._socket.recvmsg(4096, 1024)
                self.heard += data.decode().split("\n")
                self.pids |= {struct.unpack("iii", credentials)[0] for _, _, credentials in extra}
        except BlockingIOError:
            return sum(heard.startswith(line) for heard in self.heard) >= times

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Listener, str]]:
    """The socket, and what $NOTIFY_SOCKET says of it."""
    name = str(tmp_path / "notify")
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    address = name if request.param == "path" else f"@{name}"
    listener = Listener(address.replace("@", "\0"))
    yield listener, address
    listener.close()


def test_a_worker_tells_what_becomes_of_it(shop: Shop, listener: tuple[Listener, str]) -> None:
    heard, address = listener
    worker = shop.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="300000")
    wait_until(lambda: heard.hears("READY=1"))
    wait_until(lambda: heard.hears("WATCHDOG=1", 3))
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: heard.hears("RELOADING=1"), SLOW)
    assert heard.hears("MONOTONIC_USEC=")
    wait_until(lambda: heard.hears("READY=1", 2), SLOW)
    wait_until(lambda: "reload.done" in worker.log, SLOW)
    shop.write("", "broken")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: heard.hears("RELOADING=1", 2), SLOW)
    wait_until(lambda: heard.hears("READY=1", 3), SLOW)
    assert "reload.failed" in worker.log
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert heard.hears("STOPPING=1")
    said = [line for line in heard.heard if line.startswith(("READY", "RELOADING", "STOPPING"))]
    assert said == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert heard.pids <= {worker.process.pid}, "a stand-in says nothing"


def test_a_worker_is_not_ready_before_it_has_claimed(shop: Shop, listener: tuple[Listener, str]) -> None:
    heard, address = listener
    shop.write("v1", "import time; time.sleep(0.5)\n" + CODE)
    worker = shop.start(NOTIFY_SOCKET=address)
    wait_until(lambda: heard.hears("READY=1"))
    assert not heard.hears("WATCHDOG=1"), "nobody has asked for it"
    assert "worker.started" in worker.log


def test_who_does_not_listen_is_no_trouble(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nobody"), "@nobody-listens-here", "vsock:2:1", "x" * 300):
        Notifier({"NOTIFY_SOCKET": address}).send("READY=1")


@pytest.mark.parametrize(
    ("environ", "beats"),
    [
        ({"WATCHDOG_USEC": "1"}, True),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_the_watchdog_is_for_whom_it_names(
    listener: tuple[Listener, str], environ: dict[str, str], beats: bool
) -> None:
    heard, address = listener
    Notifier({"NOTIFY_SOCKET": address} | environ).beat()
    assert heard.hears("WATCHDOG=1") is beats
