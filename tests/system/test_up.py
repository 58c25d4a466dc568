"""`redisq-api up` as a newcomer meets it: it runs, it heals, it stops, and it finds its data again."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redisq_api.up import listen

from redisq.embedded import EmbeddedServer
from tests.api.webhooks.receivers import receiver
from tests.servers import free_port
from tests.waiting import alive, wait_until

SLOW = 60.0  # seconds: for whatever a busy machine may need, never for what it is expected to
PROGRAM = "import sys; from redisq_api.cli import main; sys.exit(main())"
PS = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
#: What their command lines contain; setproctitle changes the worker's a moment after its start.
PARTS = {
    "api": ("gunicorn",),
    "relay": ("redisq_api.cli",),
    "worker": (" --queues high,default,low", "redisq-worker: supervisor high,default,low"),
    "webhooks": (" --queues webhooks", "redisq-worker: supervisor webhooks"),
    "keeper": ("keeper.py",),
}


class Up:
    """One `up` on a directory and a port; what it prints goes to a file."""

    def __init__(self, data: Path, port: int, *options: str, **environ: str) -> None:
        self.data = data
        self.port = port
        self.output = data.parent / f"output-{port}"
        self._seen: set[int] = set()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "up", "--port", str(port), "--data", str(data), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | environ,
            )

    def ready(self) -> Up:
        wait_until(lambda: self.process.poll() is not None or "redisq is up" in self.printed(), SLOW, "it is up")
        assert self.process.poll() is None, self.printed()
        return self

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def interrupt(self) -> int:
        """Ctrl-C, which a terminal sends to all processes of the group; the exit code."""
        self.look()
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=SLOW)

    def kill(self) -> None:
        self.look()
        self.process.kill()
        self.process.wait()

    def look(self) -> dict[int, str]:
        """The command lines of all that it has started, with those of whom they have started."""
        listing = subprocess.run(PS, capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        family, before = {self.process.pid}, 0
        while len(family) > before:
            before = len(family)
            family |= {int(row[0]) for row in rows if int(row[1]) in family}
        self._seen |= family
        return {int(row[0]): row[-1] for row in rows if int(row[0]) in family - {self.process.pid}}

    def left(self) -> list[int]:
        """Those of whom `look` has ever seen that still run."""
        return [pid for pid in self._seen if alive(pid)]

    def part(self, name: str) -> int:
        """Its process id, or 0 while it does not run."""
        if name == "server":
            return next((pid for pid, command in self.look().items() if "valkey-server" in command.split()[0]), 0)
        return next((pid for pid, command in self.look().items() if any(word in command for word in PARTS[name])), 0)

    def children(self, parent: int) -> list[int]:
        listing = subprocess.run(PS, capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        return [int(row[0]) for row in rows if int(row[1]) == parent]

    def call(self, method: str, path: str, body: str | None = None, user: str = "test:test") -> Any:
        """The decoded answer."""
        data = body.encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        with urllib.request.urlopen(request, timeout=SLOW) as response:
            return json.load(response)

    def status(self, task: dict[str, Any]) -> str:
        return str(self.call("GET", f"/api/v1/task/{task['id']}/status")["status"])

    def result(self, task: dict[str, Any]) -> Any:
        """Waits for it."""

        def ended() -> Any:
            answer = self.call("GET", f"/api/v1/task/{task['id']}/result?wait=10")
            return answer if answer["status"] in ("succeeded", "failed", "cancelled") else None

        answer = wait_until(ended, SLOW, f"{task} ends")
        assert answer["status"] == "succeeded", answer
        return answer["result"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Up]]:
    """`start()` runs one in a new directory on a free port, `start(data=…, port=…)` one more time in the same place."""
    started: list[Up] = []

    def run(*options: str, data: Path | None = None, port: int | None = None, **environ: str) -> Up:
        up = Up(data or tmp_path_factory.mktemp("up") / "data", port or free_port(), *options, **environ)
        started.append(up)
        return up

    yield run
    for up in started:
        if up.process.poll() is None:
            up.interrupt()


@pytest.fixture(scope="module")
def shared(start: Callable[..., Up]) -> Up:
    """One that the tests share; they may kill its parts."""
    return start("--demo").ready()


Start = Callable[..., Up]


def test_the_first_example_gets_a_result(shared: Up) -> None:
    assert f'curl -X POST http://127.0.0.1:{shared.port}/api/v1/task/ -d "input_param=qwerty" -u test:test' in (
        shared.printed()
    )
    task = shared.call("POST", "/api/v1/task/", "input_param=qwerty")
    assert shared.result(task)["characters"] == 6


def test_the_second_example_gets_three_results(shared: Up) -> None:
    body = "input_param[]=asd&input_param[]=zxc&input_param[]=123"
    assert f'curl -X POST http://127.0.0.1:{shared.port}/api/v1/task/ -d "{body}" -u test:test' in shared.printed()
    tasks = shared.call("POST", "/api/v1/task/", body)
    assert [task["input_param"] for task in tasks] == ["asd", "zxc", "123"]
    assert [shared.result(task)["characters"] for task in tasks] == [3, 3, 3]


@pytest.mark.parametrize("user", ["test:test", "user1:user1", "flashnot:zxc"])
def test_the_demo_users_may_log_in(shared: Up, user: str) -> None:
    assert isinstance(shared.call("GET", "/api/v1/task", user=user), list)


def test_a_page_from_another_port_of_this_machine_may_call(shared: Up) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{shared.port}/api/v1/task/", method="OPTIONS")
    request.add_header("Origin", "http://localhost:3000")
    request.add_header("Access-Control-Request-Method", "POST")
    request.add_header("Access-Control-Request-Headers", "authorization")
    with urllib.request.urlopen(request, timeout=SLOW) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


@pytest.mark.parametrize("name", ["api", "relay", "worker", "webhooks", "server", "keeper"])
def test_a_part_that_is_killed_is_healed(shared: Up, name: str) -> None:
    first = wait_until(lambda: shared.part(name), SLOW)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: shared.part(name) not in (0, first), SLOW, f"another {name} runs")

    def posted() -> Any:
        try:
            return shared.call("POST", "/api/v1/task/", f"input_param={name}")
        except (OSError, http.client.HTTPException):  # its connection was one of those that died
            return None

    task = wait_until(posted, SLOW)
    assert shared.result(task)["characters"] == len(name)


def test_a_callback_comes_to_a_program_of_this_machine(shared: Up) -> None:
    with receiver() as there:
        task = shared.call("POST", "/api/v1/task/", f"input_param=qwerty&callback_url={there.url}")
        (request,) = there.wait()
        assert json.loads(request.body)["data"]["id"] == task["id"]


def test_a_second_one_in_the_same_place_says_so(shared: Up, start: Start) -> None:
    second = start(data=shared.data)
    assert second.process.wait(timeout=SLOW) == 1
    assert second.printed() == f"redisq-api up: another one runs with the data in {shared.data}\n"


def test_ctrl_c_stops_every_process_and_the_data_stay(start: Start) -> None:
    up = start("--demo").ready()
    tasks = up.call("POST", "/api/v1/task/", "input_param=a&input_param=bc")
    results = [up.result(task) for task in tasks]
    assert up.interrupt() == 0, up.printed()
    assert up.left() == []
    assert "Traceback" not in up.printed()

    again = start("--demo", data=up.data, port=up.port).ready()
    assert [again.result(task) for task in tasks] == results
    assert {task["id"] for task in again.call("GET", "/api/v1/task")} == {task["id"] for task in tasks}


def test_nothing_outlives_a_killed_one_and_another_can_start_at_once(start: Start) -> None:
    up = start("--demo").ready()
    up.result(up.call("POST", "/api/v1/task/", "input_param=before"))
    up.kill()
    again = start("--demo", data=up.data, port=up.port).ready()
    wait_until(lambda: not up.left(), SLOW, "nothing of the first one is left")
    assert len(again.call("GET", "/api/v1/task")) == 1
    again.result(again.call("POST", "/api/v1/task/", "input_param=after"))


def test_ctrl_c_while_it_starts(start: Start) -> None:
    up = start("--demo")
    wait_until(lambda: (up.data / "owner.lock").exists(), SLOW)
    assert up.interrupt() in (0, 130)
    wait_until(lambda: not up.left())
    assert "Traceback" not in up.printed()


NAPS = """
import time
import redisq
app = redisq.RedisQ()

@app.task(name="nap")
def nap(input_param):
    time.sleep(float(input_param))
"""


def test_a_second_ctrl_c_waits_for_nothing_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    (tmp_path / "naps.py").write_text(NAPS)
    mine = {"PYTHONPATH": str(tmp_path), "REDISQ_APP": "naps:app"}
    up = start("--demo", **mine).ready()
    task = up.call("POST", "/api/v1/task/", "task=nap&input_param=100")
    wait_until(lambda: up.status(task) == "running", SLOW)
    os.killpg(up.process.pid, signal.SIGINT)
    wait_until(lambda: "api ended" in up.printed(), SLOW)
    assert up.part("worker"), "it was told once, and waits for its job"
    assert up.interrupt() == 0
    wait_until(lambda: not up.left())

    again = start("--demo", data=up.data, port=up.port, **mine).ready()
    assert again.status(task) in ("queued", "running")


def test_it_stops_when_nobody_reads_what_it_prints(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, "up", "--data", str(tmp_path / "data"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        try:
            wait_until(lambda: "redisq is up" in up.stdout.readline(), SLOW)
            up.stdout.close()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=SLOW):
                pass  # which it would print
            assert up.wait(timeout=SLOW) == 0
            assert up.stderr.read() == ""
        finally:
            up.kill()


def test_a_port_that_is_about_to_be_free_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(time, "sleep", lambda seconds: other.close())
        port = other.getsockname()[1]
        with listen(port) as listener:
            assert listener.getsockname() == ("127.0.0.1", port)


def test_a_taken_port_is_one_clear_line(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        up = start(port=port)
        assert up.process.wait(timeout=SLOW) == 1
    assert up.printed() == (
        f"redisq-api up: port {port} is not free (Address already in use): choose another with --port\n"
    )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_cannot_be_one_is_wrong_usage(start: Start, port: str) -> None:
    up = start("--port", port)
    assert up.process.wait(timeout=SLOW) == 2
    assert "--port" in up.printed()


def test_there_are_no_users_by_default(start: Start) -> None:
    up = start().ready()
    with pytest.raises(urllib.error.HTTPError) as error:
        up.call("GET", "/api/v1/task")
    error.value.close()
    assert error.value.code == 401
    assert "redisq-api user add" in up.printed()


def test_the_data_directory_serves_others_too(shared: Up) -> None:
    with EmbeddedServer(shared.data) as joined:
        assert joined.pid == shared.part("server")
