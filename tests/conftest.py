"""Fixtures that every test may use; which servers the tests run on is decided here, once, at collection."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import KINDS, Server, chosen, version

pytest_plugins = ["pytester"]

#: Folders of tests that know a server only by way of the library: they are tried on the first that is chosen alone.
ON_THE_FIRST = {"api", "commands", "contrib", "faults", "system", "testing", "worker"}


def pytest_configure() -> None:
    # what is started under nohup, or in the background by a shell, does not hear these; what tests start has to
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        chosen(os.environ)
    except LookupError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header() -> str:
    return "servers: " + ", ".join(f"{name} {version(KINDS[name])}" for name in chosen(os.environ))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in KINDS.keys() - set(chosen(os.environ)):
        terminalreporter.write_line(f"NOT RUN ON {name}: it is not installed, or REDISQ_TEST_SERVERS leaves it out")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_kind" in metafunc.fixturenames:
        names = chosen(os.environ)
        if ON_THE_FIRST & set(metafunc.definition.path.parts):
            names = list(names)[:1]
        metafunc.parametrize("server_kind", [KINDS[name] for name in names], ids=names, scope="session")


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Gives the one server of a kind that all tests share; it starts when first asked for."""
    servers: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in servers:
            servers[kind] = Server(kind, tmp_path_factory.mktemp(kind)).start()
        return servers[kind]

    yield get
    for server in servers.values():
        server.stop()


@pytest.fixture
def redis_url(session_server: Callable[[str], Server], server_kind: str) -> str:
    """The URL of an empty server, on each kind in turn. Other tests use it too: never kill or configure it."""
    server = session_server(server_kind)
    with server.client() as client:
        client.flushall()
    return server.url


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A bare client of the server at `redis_url`, to look behind the library."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def new_server(tmp_path: Path, server_kind: str) -> Iterator[Callable[..., Server]]:
    """Starts a server that only this test has: `new_server(appendonly="yes")`, of each kind in turn."""
    servers: list[Server] = []

    def start(**config: object) -> Server:
        server = Server(server_kind, tmp_path / f"server-{len(servers)}", **config)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()
