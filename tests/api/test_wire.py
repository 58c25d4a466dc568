"""Bytes that no honest client sends: attacks on the framing, slow clients, and rubbish.

After every one an honest request works, no task was made but those that were asked for, and the log has no traceback.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from redisq_api import users
from redisq_api.database import Database

from tests.api.conftest import find
from tests.api.test_server import answers, get
from tests.servers import free_port
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:tests.api.impatient"]
BODY = b"input_param=x"
CHUNK = b"d\r\n" + BODY + b"\r\n"
LENGTH = b"Content-Length: 13\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"


class Wire:
    """The service in two processes of two threads, as bytes."""

    def __init__(self, port: int, token: str, database: Database, log: Path) -> None:
        self.port = port
        self.database = database
        self._log = log
        self._login = f"Authorization: Bearer {token}\r\n".encode()

    def post(self, headers: bytes = b"", version: bytes = b"1.1") -> bytes:
        """The head of a POST, without the empty line at its end."""
        form = b"Content-Type: application/x-www-form-urlencoded\r\n"
        return b"POST /api/v1/task HTTP/" + version + b"\r\nHost: x\r\n" + form + self._login + headers

    def get(self, headers: bytes = b"") -> bytes:
        """A whole GET."""
        return b"GET /api/v1/task HTTP/1.1\r\nHost: x\r\n" + self._login + headers + b"\r\n"

    def open(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send(self, data: bytes, ends: bool = True) -> list[int]:
        """The status codes of all answers until the server hangs up. `ends`: the client says that it has done so."""
        with self.open() as connection:
            with suppress(OSError):  # it may hang up before it has heard all
                connection.sendall(data)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
            return statuses(read(connection))

    def tasks(self) -> int:
        """How many tasks there are."""
        row = self.database.one("SELECT count(*) FROM task")
        assert row is not None
        return int(row[0])

    def log(self) -> str:
        """What the server has said."""
        return self._log.read_text()


def read(connection: socket.socket) -> bytes:
    """All until the end."""
    answer = b""
    with suppress(ConnectionResetError):
        while more := connection.recv(65536):
            answer += more
    return answer


def statuses(answer: bytes) -> list[int]:
    """The status codes of answers one after another."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Wire]:
    """A service without Redis, which all tests here share."""
    folder = tmp_path_factory.mktemp("wire")
    shutil.copy(template, folder / "api.sqlite3")
    url, port = f"sqlite:///{folder}/api.sqlite3", free_port()
    environ = os.environ | {
        "REDISQ_DATABASE": url,
        "REDISQ_URL": f"redis://127.0.0.1:{free_port()}",
        "REDISQ_API_METRICS_FILE": str(folder / "x.meter"),
        "REDISQ_API_MAX_BODY": "100000",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [*COMMAND, "--threads", "2", "--bind", f"127.0.0.1:{port}"]
    with closing(Database(url)) as database, (folder / "log").open("w") as log:
        token = users.create_token(database, find(database, "ann"))
        with subprocess.Popen(command, env=environ, stderr=log) as process:
            wait_until(lambda: answers(port), timeout=60.0, message="gunicorn answers")
            yield Wire(port, token, database, folder / "log")
            process.terminate()


@pytest.fixture
def wire(shared: Wire) -> Iterator[Wire]:
    """The service, of which is seen afterwards that it has come to no harm."""
    said = len(shared.log())
    yield shared
    before = shared.tasks()
    assert shared.send(shared.post(LENGTH + b"Connection: close\r\n\r\n") + BODY) == [202]
    assert shared.tasks() == before + 1
    assert "Traceback" not in shared.log()[said:]
    assert "[ERROR]" not in shared.log()[said:]


#: Headers and body of a POST, and the answers there may be. Where a second request could be smuggled, it is DELETE, so
#: that a server which took it for one would answer twice.
SECOND = b"DELETE /api/v1/task/x HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = {
    "length and chunks": (LENGTH + CHUNKED + b"\r\n" + CHUNK + END + SECOND, 400),
    "chunks and length": (CHUNKED + b"Content-Length: 5\r\n\r\n" + CHUNK + END + SECOND, 400),
    "two lengths": (LENGTH + b"Content-Length: 5\r\n\r\n" + BODY + SECOND, 400),
    "two lengths in one": (b"Content-Length: 13, 5\r\n\r\n" + BODY + SECOND, 400),
    "a signed length": (b"Content-Length: +13\r\n\r\n" + BODY + SECOND, 400),
    "a negative length": (b"Content-Length: -13\r\n\r\n" + BODY + SECOND, 400),
    "a length in hex": (b"Content-Length: 0xd\r\n\r\n" + BODY + SECOND, 400),
    "a length with an underscore": (b"Content-Length: 1_3\r\n\r\n" + BODY + SECOND, 400),
    "a length of other digits": (b"Content-Length: \xb2\r\n\r\n" + BODY + SECOND, 400),
    "a length beyond all": (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY, 400),
    "a space before the colon": (b"Transfer-Encoding : chunked\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a tab before the colon": (b"Content-Length\t: 13\r\n\r\n" + BODY + SECOND, 400),
    "a space before the name": (b" Transfer-Encoding: chunked\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a folded header": (b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY + SECOND, 400),
    "a folded coding": (b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a bare LF": (b"X: a\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a bare CR": (b"X: a\rTransfer-Encoding: chunked\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a NUL": (b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY + SECOND, 400),
    "no colon": (b"X\r\n" + LENGTH + b"\r\n" + BODY + SECOND, 400),
    "no name": (b": x\r\n" + LENGTH + b"\r\n" + BODY + SECOND, 400),
    "chunked twice": (CHUNKED + CHUNKED + b"\r\n" + CHUNK + END + SECOND, 400),
    "chunked first": (b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNK + END + SECOND, 400),
    "a coding that none knows": (b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNK + END + SECOND, 501),
    "a chunk in 0x": (CHUNKED + b"\r\n0x" + CHUNK + END + SECOND, 400),
    "a negative chunk": (CHUNKED + b"\r\n-" + CHUNK + END + SECOND, 400),
    "a chunk with a plus": (CHUNKED + b"\r\n+" + CHUNK + END + SECOND, 400),
    "a space before a chunk": (CHUNKED + b"\r\n " + CHUNK + END + SECOND, 400),
    "a space after a chunk": (CHUNKED + b"\r\nd \r\n" + BODY + b"\r\n" + END + SECOND, 400),
    "a chunk without a size": (CHUNKED + b"\r\n\r\n" + BODY + b"\r\n" + END + SECOND, 400),
    "a chunk beyond all": (CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n" + BODY, 400),
    "a chunk with a bare LF": (CHUNKED + b"\r\nd\n" + BODY + b"\n0\n\n" + SECOND, 400),
    "a chunk that is longer": (CHUNKED + b"\r\n5\r\n" + BODY + b"\r\n" + END + SECOND, 400),
    "a chunk that is shorter": (CHUNKED + b"\r\nff\r\n" + BODY + b"\r\n" + END, 400),
    "an endless extension": (CHUNKED + b"\r\nd;" + b"x" * 20_000 + b"\r\n" + BODY + b"\r\n" + END, 400),
    "an extension with a bare CR": (CHUNKED + b"\r\nd;a\rb\r\n" + BODY + b"\r\n" + END + SECOND, 400),
    "no end of the chunks": (CHUNKED + b"\r\n" + CHUNK, 400),
    "less than its length": (b"Content-Length: 14\r\n\r\n" + BODY, 400),
    "far more than may be": (b"Content-Length: 100001\r\n\r\n" + BODY, 413),
    "a miracle": (b"Expect: a miracle\r\n" + LENGTH + b"\r\n" + BODY, 417),
}


@pytest.mark.parametrize("attack", SMUGGLED)
def test_broken_framing_is_refused_and_ends_the_connection(wire: Wire, attack: str) -> None:
    before = wire.tasks()
    rest, status = SMUGGLED[attack]
    assert wire.send(wire.post(rest)) == [status]
    assert wire.tasks() == before


def test_chunks_in_http_1_0_are_refused(wire: Wire) -> None:
    assert wire.send(wire.post(CHUNKED + b"\r\n", version=b"1.0") + CHUNK + END) == [400]


@pytest.mark.parametrize("rest", [b"d;a=b", b'000d;a="b c"', b"D"], ids=["extension", "quoted", "capital"])
def test_odd_but_right_chunks_are_read(wire: Wire, rest: bytes) -> None:
    head = wire.post(CHUNKED + b"Connection: close\r\n\r\n")
    assert wire.send(head + rest + b"\r\n" + BODY + b"\r\n0\r\nX-Trailer: y\r\n\r\n") == [202]


def test_what_follows_a_body_is_the_next_request_and_nothing_else(wire: Wire) -> None:
    before = wire.tasks()
    two = wire.post(LENGTH + b"\r\n") + BODY + wire.post(CHUNKED + b"\r\n") + CHUNK + END
    assert wire.send(two + wire.get(b"Connection: close\r\n")) == [202, 202, 200]
    assert wire.tasks() == before + 2
    assert wire.send(wire.post(LENGTH + b"\r\n") + BODY + b"trailing rubbish\r\n\r\n") == [202, 400]
    # A body that nobody reads is no request either.
    assert wire.send(wire.get(b"Content-Length: %d\r\n" % len(SECOND)) + SECOND) == [200]


RUBBISH = {
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(range(1, 190)),
    "bytes": bytes(range(256)) * 4,
    "an old version": b"GET /healthz\r\n\r\n",
    "a new version": b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n",
    "a name of another protocol": b"EHLO example.org\r\n\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path in UTF-8": "GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a long path": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
    "an endless header": b"GET / HTTP/1.1\r\nX: " + b"x" * 2_000_000,
    "an endless line": b"x" * 200_000,
}


@pytest.mark.parametrize("sort", RUBBISH)
def test_what_is_no_http_is_an_error_of_the_client(wire: Wire, sort: str) -> None:
    told = wire.send(RUBBISH[sort])
    assert len(told) <= 1
    assert all(400 <= status < 500 for status in told), told


@pytest.mark.parametrize("path", ["/%", "/%zz", "/%00", "/%ff", "/api/v1/task/%2e%2e", "/api/v1/task?limit=%", "//"])
def test_a_path_of_any_bytes_is_found_or_not(wire: Wire, path: str) -> None:
    told = statuses(get(wire.port, path))
    assert len(told) == 1
    assert told[0] < 500


def test_an_upgrade_that_is_not_to_be_had_is_an_ordinary_request(wire: Wire) -> None:
    headers = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    assert wire.send(wire.get(headers)) == [200]
    assert wire.send(wire.get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")) == [200]


def test_who_waits_for_a_continue_gets_one(wire: Wire) -> None:
    with wire.open() as connection:
        connection.sendall(wire.post(LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n"))
        assert statuses(connection.recv(1000)) == [100]
        connection.sendall(BODY)
        assert statuses(read(connection)) == [202]


def test_http_1_0_is_answered_once(wire: Wire) -> None:
    assert wire.send(wire.post(LENGTH + b"\r\n", version=b"1.0") + BODY + wire.get()) == [202]


def test_who_hangs_up_in_mid_body_made_no_task(wire: Wire) -> None:
    before = wire.tasks()
    for headers in (b"Content-Length: 99\r\n\r\n", CHUNKED + b"\r\n63\r\n"):
        connection = wire.open()
        connection.sendall(wire.post(headers) + BODY)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        connection.close()
    wait_until(lambda: answers(wire.port))
    assert wire.tasks() == before


def drip(connections: list[socket.socket], seconds: float) -> list[float]:
    """Sends a byte on each now and then; answers after how many seconds each was cut."""
    started = time.monotonic()
    cut: dict[socket.socket, float] = {}
    while len(cut) < len(connections) and time.monotonic() < started + seconds:
        for connection in connections:
            if connection in cut:
                continue
            connection.settimeout(0.02)
            try:
                connection.send(b"x")
                if not connection.recv(65536):
                    cut[connection] = time.monotonic() - started
            except TimeoutError:
                continue
            except OSError:
                cut[connection] = time.monotonic() - started
    return list(cut.values())


@pytest.mark.parametrize("part", ["header", "body", "chunk"])
def test_slow_clients_are_cut_and_the_others_answered(wire: Wire, part: str) -> None:
    before = wire.tasks()
    head = {"header": b"X: ", "body": b"Content-Length: 90000\r\n\r\n", "chunk": CHUNKED + b"\r\nffff\r\n"}[part]
    with ExitStack() as stack:
        slow = [stack.enter_context(wire.open()) for _ in range(6)]  # more than threads
        for connection in slow:
            connection.sendall(wire.post(head))
        assert answers(wire.port)
        assert len(drip(slow, 20.0)) == len(slow)
    assert wire.tasks() == before


def test_the_rest_of_a_body_that_comes_too_late_is_no_request(wire: Wire) -> None:
    with wire.open() as connection:
        connection.sendall(wire.post(b"Content-Length: 9000\r\n\r\n") + BODY)
        assert statuses(connection.recv(65536)) == [400]
        with suppress(OSError):
            connection.sendall(wire.get())
            assert b"HTTP/" not in read(connection)  # the first answer's body at most


def test_an_idle_connection_is_closed_and_costs_no_thread(wire: Wire) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(wire.open()) for _ in range(20)]
        for connection in idle:
            connection.sendall(wire.get().replace(b"GET", b"HEAD", 1))
            assert statuses(connection.recv(65536)) == [200]
        assert answers(wire.port)
        assert [connection.recv(1) for connection in idle] == [b""] * 20


def test_who_does_not_hang_up_after_an_error_holds_up_nobody(wire: Wire) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(wire.open()).sendall(b"rubbish\r\n\r\n")
        started = time.monotonic()
        assert answers(wire.port)
        assert time.monotonic() - started < 8.0  # a second each, or two, in gunicorn's main loop
