"""The service as it is run: gunicorn processes on loopback, called by curl, by raw sockets and by a real browser."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redisq_api import users
from redisq_api.database import Database

import redisq
from tests.api.conftest import PASSWORDS, basic
from tests.needs import need
from tests.servers import free_port
from tests.waiting import wait_until

GUNICORN = [sys.executable, "-m", "gunicorn", "redisq_api:create_app()", "--no-control-socket", "--threads", "4"]


class Service:
    """gunicorn on a free port; its log goes to a file."""

    def __init__(self, log: Path, database_url: str, redis_url: str, workers: int = 2, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._environ = {"REDISQ_DATABASE": database_url, "REDISQ_URL": redis_url} | environ
        self._command = [*GUNICORN, "--workers", str(workers), "--bind", f"127.0.0.1:{self.port}"]
        self.start()

    def start(self) -> None:
        """Also again, once it has been stopped."""
        with self._log.open("a") as output:
            self.process = subprocess.Popen(
                self._command, env=os.environ | self._environ, stdout=output, stderr=output
            )

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Service]]:
    """Starts a service on a Redis, and on the test's database."""
    services: list[Service] = []

    def start(redis_url: str, workers: int = 2, **environ: str) -> Service:
        service = Service(tmp_path / "gunicorn.log", database_url, redis_url, workers, **environ)
        services.append(service)
        return service

    yield start
    for service in services:
        service.stop()


@pytest.fixture
def service(start: Callable[..., Service], database: Database, redis_url: str) -> Service:
    """A service with the demo user, whose pages on loopback may call."""
    users.add(database, "test", "test", ["default", "high"])
    started = start(redis_url, REDISQ_CORS_ORIGINS="http://127.0.0.1:*")
    wait_until(started.answers, timeout=30.0, message="gunicorn answers")
    return started


EXAMPLES = (
    'curl -X POST http://127.0.0.1:8000/api/v1/task/ -d "input_param=qwerty" -u test:test',
    'curl -X POST http://127.0.0.1:8000/api/v1/task/ -d "input_param[]=asd&input_param[]=zxc&input_param[]=123"'
    " -u test:test",
)


def shell(command: str) -> Any:
    """What a command line prints, as JSON."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def run_jobs(redis_url: str, count: int) -> None:
    """Runs jobs of the default app as a worker would."""
    from redisq_api.tasks import describe

    app = redisq.RedisQ(redis_url)
    for _ in range(count):
        delivery = wait_until(lambda: app.queue("high").claim(timeout=0.0) or app.queue("default").claim(timeout=0.0))
        assert delivery.job.args is not None
        delivery.ack(describe(*delivery.job.args))


def test_the_two_curl_lines(service: Service, redis_url: str) -> None:
    one, three = (shell(line.replace("http://127.0.0.1:8000", service.url)) for line in EXAMPLES)
    assert one["input_param"] == "qwerty"
    assert [task["input_param"] for task in three] == ["asd", "zxc", "123"]
    assert {task["status"] for task in [one, *three]} == {"queued"}
    run_jobs(redis_url, 4)
    result = shell(f"curl {service.url}/api/v1/task/{one['id']}/result?wait=10 -u test:test")
    assert result["status"] == "succeeded"
    assert result["result"]["sha1"] == "b1b3773a05c0ed0176787a4f1574ff0075f7521e"
    assert len(shell(f"curl {service.url}/api/v1/task -u test:test")) == 4


@pytest.fixture(scope="module")
def lone_service(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Service]:
    """A service without Redis, which many tests share."""
    folder = tmp_path_factory.mktemp("lone")
    shutil.copy(template, folder / "api.sqlite3")
    service = Service(folder / "log", f"sqlite:///{folder}/api.sqlite3", f"redis://127.0.0.1:{free_port()}")
    wait_until(service.answers, timeout=30.0, message="gunicorn answers")
    yield service
    service.stop()


def raw(service: Service, request: bytes) -> bytes:
    """The first line of the answer to bytes on a socket, after which the client says no more."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(request)
        with suppress(OSError):  # it may have been answered, and hung up on
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n" not in answer and (more := connection.recv(65536)):
            answer += more
    return answer.partition(b"\r\n")[0]


HEAD = b"POST /api/v1/task HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
HEAD += f"Authorization: {basic('ann', PASSWORDS['ann'])}\r\n".encode()
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\ninput\r\n8\r\n_param=x\r\n0\r\n\r\n", b"202"),
        (b"Content-Length: 13\r\n\r\ninput_param=x", b"202"),
        (b"Content-Length: x\r\n\r\n", b"400"),
        (b"Content-Length: -1\r\n\r\n", b"400"),
        (b"Content-Length: 13\r\nContent-Length: 14\r\n\r\ninput_param=x", b"400"),
        (b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"4"),
        (b"Content-Length: 100\r\n\r\ninput_param=x", b"400"),
        (b"Content-Length: 999999999999\r\n\r\ninput_param=x", b"413"),
        (b"Content-Length: 99999999999999999999999999999\r\n\r\ninput_param=x", b"4"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\ninput\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\nfffff", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\ninputXX0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n-5\r\ninput\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n200000\r\n" + b"x" * 0x200000 + b"\r\n0\r\n\r\n", b"413"),
        (b"X-Bad Header: x\r\n\r\n", b"400"),
        (b"Expect: a miracle\r\nContent-Length: 0\r\n\r\n", b"4"),
    ],
)
def test_broken_framing_is_never_our_error(lone_service: Service, rest: bytes, expected: bytes) -> None:
    status = raw(lone_service, HEAD + FORM + rest).split(b" ")[1]
    assert status.startswith(expected), lone_service.log()


def test_what_is_wrong_at_the_start_is_one_line_and_ends_it(
    start: Callable[..., Service], database_url: str, dead_url: str
) -> None:
    service = start(dead_url, workers=1)
    assert service.process.wait(timeout=60) != 0
    assert "redisq-api: the database has no schema yet: run `redisq-api init-db`" in service.log()
    assert "Traceback" not in service.log()


@pytest.fixture
def page_url(service: Service, tmp_path: Path) -> Iterator[str]:
    """A page on another port, whose script does what jQuery's `$.ajax` does with a POST and an Authorization header."""
    credentials = base64.b64encode(b"test:test").decode()
    (tmp_path / "page.html").write_text(
        f"""<!DOCTYPE html><title>waiting</title><pre id="out">nothing</pre><script>
        var request = new XMLHttpRequest();
        request.open("POST", "{service.url}/api/v1/task/");
        request.setRequestHeader("Authorization", "Basic {credentials}");
        request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
        request.onloadend = function () {{
          document.getElementById("out").textContent = request.status + " " + request.responseText;
        }};
        request.send("input_param%5B%5D=asd&input_param%5B%5D=zxc");
        </script>"""
    )
    port = free_port()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}/page.html"
    server.shutdown()
    thread.join()
    server.server_close()


def browse(url: str, profile: Path) -> str:
    """The document that chromium has made of a page."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
    command = [need("chromium"), *flags, "--virtual-time-budget=10000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout


def test_a_page_of_another_origin_posts_from_a_browser(page_url: str, service: Service, tmp_path: Path) -> None:
    found = re.search(r'<pre id="out">(.*?)</pre>', browse(page_url, tmp_path / "profile"))
    assert found is not None
    status, _, body = found[1].partition(" ")
    assert status == "202", service.log()
    assert [task["input_param"] for task in json.loads(body)] == ["asd", "zxc"]
