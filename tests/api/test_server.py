"""gunicorn as the service configures it: reloads under load, idle and slow clients, and counts of all processes."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from redisq_api import users
from redisq_api.database import Database

from tests.api.conftest import find
from tests.servers import free_port
from tests.waiting import wait_until

SERVER = [sys.executable, "-m", "gunicorn", "-c", "python:redisq_api.server"]


class Load:
    """Clients that GET and POST without a pause, on connections that they keep and on new ones."""

    def __init__(self, port: int, token: str) -> None:
        self.failures: list[str] = []
        self.answered = 0
        self.accepted: list[bytes] = []
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n % 2 == 0,)) for n in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.is_set():
            try:
                status = self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append(f"{'kept' if keeps else 'new'} connection: {error!r}")
                connection.close()
                continue
            with self._lock:
                self.answered += 1
                if status != 202:
                    self.failures.append(str(status))
            if not keeps:
                connection.close()
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> int:
        connection.request("POST", "/api/v1/task", "input_param=x", self._headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def port(database: Database, database_url: str, dead_url: str, tmp_path: Path) -> Iterator[int]:
    """Of a service without Redis, in two processes with two threads each; `gunicorn.pid` is its master's."""
    port = free_port()
    environ = os.environ | {
        "REDISQ_DATABASE": database_url,
        "REDISQ_URL": dead_url,
        "REDISQ_API_METRICS_FILE": str(tmp_path / "x.meter"),
    }
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "2", "--pid", str(tmp_path / "gunicorn.pid")]
    with (tmp_path / "log").open("w") as log, subprocess.Popen([*SERVER, *options], env=environ, stderr=log) as process:
        wait_until(lambda: answers(port), timeout=60.0, message="gunicorn answers")
        yield port
        process.terminate()


def answers(port: int) -> bool:
    """Whether somebody is there."""
    with suppress(OSError):
        return get(port, "/healthz").startswith(b"HTTP/1.1 200")
    return False


def get(port: int, path: str) -> bytes:
    """The whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def test_a_reload_under_load_loses_no_request(port: int, database: Database, tmp_path: Path) -> None:
    token = users.create_token(database, find(database, "ann"))
    master = int((tmp_path / "gunicorn.pid").read_text())
    with Load(port, token) as load:
        for _ in range(2):
            before, old = load.answered, booted(tmp_path)
            wait_until(lambda before=before: load.answered > before + 20, timeout=60.0)
            os.kill(master, signal.SIGHUP)
            wait_until(lambda old=old: booted(tmp_path) >= old + 2, timeout=60.0, message="new processes are there")
            before = load.answered
            wait_until(lambda before=before: load.answered > before + 20, timeout=60.0)
    assert load.failures == []
    assert database.one("SELECT count(*) FROM task") == (load.answered,)
    pattern = rb'seconds_count\{method="POST",route="/api/v1/task",status="202"\} (\d+)'
    counted = [int(number) for number in re.findall(pattern, get(port, "/metrics"))]
    assert counted == [load.answered], "over all processes, those that ended too"


def booted(folder: Path) -> int:
    """How many processes gunicorn has started."""
    return (folder / "log").read_text().count("Booting worker")


def test_who_connects_and_says_nothing_holds_up_nobody(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        started = time.monotonic()
        for _ in range(5):
            assert answers(port)
        assert time.monotonic() - started < 30.0
