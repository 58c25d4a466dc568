"""A server for one benchmark: on a free port of loopback, in memory only, ended with the benchmark."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from resp import Resp

from redisq.embedded import find_program

START_TIMEOUT = 10.0


def program(kind: str) -> str | None:
    """Where a server's program is: `valkey` is the wheel's, `redis` the machine's; None if it is not there."""
    return find_program() if kind == "valkey" else shutil.which("redis-server")


class Server:
    """A running server, as a context manager. `control` is a connection apart from what is measured."""

    def __init__(self, kind: str = "valkey") -> None:
        path = program(kind)
        if path is None:
            raise SystemExit(f"{kind}: the server is not installed")
        self._directory = tempfile.mkdtemp(prefix="redisq-bench-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._directory, "save": "", "appendonly": "no"}
        options["unixsocket"] = self._socket = f"{self._directory}/socket"
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen([path, *arguments], stdout=subprocess.DEVNULL, start_new_session=True)
        self.control = self._connect()
        self.version = f"{kind} {self.info().get(f'{kind}_version')}"

    @property
    def pid(self) -> int:
        """Of its process, which has a session of its own."""
        return self._process.pid

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self._socket}"

    def info(self) -> dict[str, str]:
        """INFO everything, without its headings."""
        lines = self.control("INFO", "everything").decode().splitlines()
        return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}

    def cpu(self) -> float:
        """Seconds of processor time that the server has used."""
        info = self.info()
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def ticks(self) -> int:
        """Nanoseconds of processor time that its main thread has used, without asking the server (on Linux)."""
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])

    def flush(self) -> None:
        self.control("FLUSHALL")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connect(self) -> Resp:
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(ConnectionError):
                return Resp(self.port)
            time.sleep(0.01)
        self._process.kill()
        raise SystemExit("the server did not start")
