"""The pytest plugin of redisq: fixtures for tests of code that enqueues. What they give is in `redisq.testing`.

pytest imports this in every run where redisq is installed, so it stands apart from the package and imports nothing of
it before a fixture is asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from redisq import RedisQ
    from redisq.embedded import EmbeddedServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("redisq_app", "module:attribute of the app that the fixture redisq_app connects", default="")


@pytest.fixture(scope="session")
def redisq_server() -> Iterator[EmbeddedServer]:
    """A server that only this process's tests have, on a socket in a temporary directory; `.url`, `.empty()`."""
    from redisq.embedded import EmbeddedServer
    from redisq.errors import EmbeddedServerError

    with tempfile.TemporaryDirectory(prefix="redisq-test-", ignore_cleanup_errors=True) as directory:
        server = EmbeddedServer(directory)
        try:
            server.start()
        except EmbeddedServerError as error:
            pytest.fail(f"redisq_server: {error}", pytrace=False)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def redisq_connect(redisq_server: EmbeddedServer) -> Iterator[Callable[[RedisQ], RedisQ]]:
    """The server is empty; `redisq_connect(app)` has an app use it for the rest of the test."""
    from redisq.testing import connected

    redisq_server.empty()
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(connected(app, redisq_server.url))


@pytest.fixture
def redisq_app(request: pytest.FixtureRequest, redisq_connect: Callable[[RedisQ], RedisQ]) -> RedisQ:
    """The app that `redisq_app` in pytest's configuration names, $REDISQ_APP or an entry point, on the empty server."""
    from redisq import AppNotFound, load_app

    try:
        app = load_app(request.config.getini("redisq_app") or None)
    except AppNotFound as error:
        hint = "name it in pytest's configuration: redisq_app = module:attribute"
        pytest.fail(f"redisq_app: {error} ({hint})", pytrace=False)
    return redisq_connect(app)
