"""One turn of a service: a server, a database and processes of its own, and every workload once."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from environments import environment, program
from load import Load, load, message
from processes import Group, Guard, Share
from servers import Server
from services import NAME, PASSWORD, Command, Service

Figures = dict[str, float]

APPS = Path(__file__).parent / "apps"
TASKS = "/api/v1/task"
START_TIMEOUT = 60.0
#: What is waited for until it is there, or a turn has failed.
RESULT_TIMEOUT = 60.0
POLL_S = 0.005
CONNECTIONS = 8
ONE, MANY = "input_param=qwerty", "&".join(f"input_param%5B%5D=value-{number}" for number in range(100))
#: The most tasks of `result` and of `result, ?wait` in a turn.
RESULTS = 200


class Failed(Exception):
    """The service did not do what it is asked here."""


class Turn:
    """A running service, as a context manager."""

    def __init__(self, service: Service, home: Path, server: str, guard: Guard) -> None:
        self.service = service
        self.load = round(os.getloadavg()[0], 2)
        self._home = home
        self._share = Share()
        self._folder = Path(tempfile.mkdtemp(prefix="redisq-web-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._server = Server(server)
        self._places = {
            "port": str(self._port),
            "database_url": f"sqlite:///{self._folder / 'database'}",
            "redis_url": self._server.url,
        }
        self._environment = environment(home, service.name) | {
            "BENCH_DATABASE": str(self._folder / "database"),
            "BENCH_DATABASE_URL": self._places["database_url"],
            "BENCH_REDIS_URL": self._server.url,
            # Who compiles as it starts takes more memory from then on, which is not the service's.
            "PYTHONPYCACHEPREFIX": str(home / "pycache"),
            "PYTHONDONTWRITEBYTECODE": "",
            **{name: value.format(**self._places) for name, value in service.environment.items()},
        }
        self._web, self._workers = (
            Group(guard, APPS / service.name, self._environment, self._folder / name) for name in ("web", "workers")
        )
        self._token, self._task = "", ""

    def __enter__(self) -> Self:
        try:
            done = subprocess.run(
                self._command(self.service.seed), cwd=APPS / self.service.name, env=self._environment,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise Failed(f"its seed: {done.stderr.strip()[-500:]}")
            seeded = json.loads(done.stdout)
            self._token, self._task = seeded["token"], str(seeded["task"])
            for command in self.service.serve:
                self._web.start(self._command(command))
            self._wait_for_service()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._workers.kill()
        self._web.kill()
        self._server.__exit__(None, None, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def foreign(self) -> float:
        """The share of all processor time in this turn that went to others."""
        return round(self._share.foreign(self._web.cpu() + self._workers.cpu() + self._server.cpu()), 3)

    def measure(self, seconds: float) -> Iterator[tuple[str, str, str, Figures]]:
        """By workload, way to log in, and variant: what it took."""
        login = "token" if self._token else ""
        self._requests("GET", self._path(self._task, "status"), login, 1.0)
        if self.service.work:
            yield from self._with_workers(seconds)
        else:
            yield "memory of the service", "", "", self._memory()
        yield "status", login, "", self._requests("GET", self._path(self._task, "status"), login, seconds)
        yield "list", login, "", self._requests("GET", f"{self._path()}?limit=20", login, seconds)
        for way in ("Basic", "token") if self._token else ("",):
            yield "post", way, "", self._requests("POST", self._path(), way, seconds, ONE)
        if self._token:
            yield "post 100", login, "", self._requests("POST", self._path(), login, seconds, MANY, connections=1)

    # Workloads

    def _with_workers(self, seconds: float) -> Iterator[tuple[str, str, str, Figures]]:
        for command in self.service.work:
            self._workers.start(self._command(command))
        for _ in range(20):  # until all of it is warm
            self._result(self._client(), wait=False)
        yield "result", "token", "", self._results(False, seconds)
        if self.service.can_wait:
            yield "result", "token", "?wait", self._results(True, seconds)
        yield "post while workers run", "token", "", self._requests("POST", self._path(), "token", seconds, ONE)
        yield "memory of the service", "", "", self._memory()
        self._result(self._client(), wait=False)  # first in, first out: those before it have ended, or nearly
        self._settle()
        self._workers.kill()

    def _requests(
        self, method: str, path: str, way: str, seconds: float, form: str = "", connections: int = CONNECTIONS
    ) -> Figures:
        request = message(method, path, self._login(way), form)
        status = b"202" if method == "POST" else b"200"
        self._settle()
        found, cpu = self._spent(lambda: load(self._port, request, status, connections, seconds))
        if found.wrong:
            raise Failed(f"{method} {path}: {found.wrong} of {len(found.times)} answers were not {status.decode()}")
        tasks = {"tasks_per_s": found.per_s * 100} if form == MANY else {}
        return {**tasks, "per_s": found.per_s, **_times(found), **{k: v / len(found.times) for k, v in cpu.items()}}

    def _results(self, wait: bool, seconds: float) -> Figures:
        client, times = self._client(), []

        def run() -> None:
            until = time.perf_counter() + 2 * seconds
            while len(times) < RESULTS and time.perf_counter() < until:
                began = time.perf_counter()
                self._result(client, wait)
                times.append((time.perf_counter() - began) * 1000)

        _, cpu = self._spent(run)
        times.sort()
        return {**_times(Load(1.0, times, 0)), **{name: value / len(times) for name, value in cpu.items()}}

    def _result(self, client: Client, wait: bool) -> None:
        """From a POST to the result: asked for every few milliseconds, or with ?wait."""
        status, made = client.ask("POST", self._path(), ONE)
        if status != 202:
            raise Failed(f"POST: {status} {made}")
        path = self._path(str(made["id"]), "result") + ("?wait=10" if wait else "")
        began = due = time.monotonic()
        while True:
            if not wait:
                due = max(due + POLL_S, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
            status, _ = client.ask("GET", path)
            if status == 200:
                return
            if status != 202 or time.monotonic() - began > RESULT_TIMEOUT:
                raise Failed(f"GET {path}: {status}")

    def _memory(self) -> Figures:
        web, workers = self._web.memory()[1], self._workers.memory()[1]
        server = _pss(self._server.pid)
        return {"pss_mb": web + workers, "web_pss_mb": web, "workers_pss_mb": workers, "server_pss_mb": server}

    # How

    def _spent(self, what: Callable[[], Any]) -> tuple[Any, Figures]:
        """What it gives, and the milliseconds of processor time that it took."""
        groups = {"web_ms": self._web, "workers_ms": self._workers, "server_ms": self._server}
        before = {name: group.cpu() for name, group in groups.items()}
        found = what()
        return found, {name: (group.cpu() - before[name]) * 1000 for name, group in groups.items()}

    def _settle(self) -> None:
        """Waits until nothing is left to do of what was asked before."""
        deadline = time.monotonic() + RESULT_TIMEOUT
        while time.monotonic() < deadline:
            before = self._web.cpu() + self._workers.cpu()
            time.sleep(0.3)
            if self._web.cpu() + self._workers.cpu() - before < 0.04:
                return
        raise Failed("it does not come to rest")

    def _client(self) -> Client:
        """A new one each time: a service may hang up on a connection that was idle for two seconds."""
        return Client(self._port, self._login("token"))

    def _path(self, *parts: str) -> str:
        return "/".join((TASKS, *parts)) + self.service.slash

    def _login(self, way: str) -> str | None:
        if way == "Basic":
            return "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        return f"{self.service.scheme} {self._token}" if way == "token" else None

    def _command(self, command: Command) -> list[str]:
        name, *rest = (word.format(**self._places) for word in command)
        return [program(self._home, self.service.name, name), *rest]

    def _wait_for_service(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and not self._web.ended():
            with suppress(OSError, http.client.HTTPException):
                self._client().ask("GET", self._path(self._task, "status"))
                return
            time.sleep(0.05)
        raise Failed(f"it did not start: {(self._folder / 'web').read_text()[-500:]}")


class Client:
    """One kept connection, one request after the other."""

    def __init__(self, port: int, login: str | None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESULT_TIMEOUT)
        self._headers = {"Authorization": login} if login else {}

    def ask(self, method: str, path: str, form: str = "") -> tuple[int, Any]:
        headers = self._headers | ({"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        self._connection.request(method, path, form or None, headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def _times(found: Load) -> Figures:
    return {"p50_ms": found.percentile(50), "p99_ms": found.percentile(99)}


def _pss(pid: int) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
