"""Databases with users, and the service as an object that can be called without a network."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
from redisq_api import create_app, migrations, users
from redisq_api.database import Database
from redisq_api.relay import Relay
from redisq_api.settings import Settings
from redisq_api.users import User

import redisq
from tests.servers import free_port

PASSWORDS = {"ann": "ann's secret", "bob": "bob's secret"}
WORKERS = {"ann": ["default", "high"], "bob": ["default"]}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/api.sqlite3?synchronous=normal"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the schema and the users; made once, since passwords are slow to hash on purpose."""
    path = tmp_path_factory.mktemp("template") / "api.sqlite3"
    with closing(Database(f"sqlite:///{path}")) as database:
        migrations.apply(database)
        for name, queues in WORKERS.items():
            assert users.add(database, name, PASSWORDS[name], queues)
    return path


@pytest.fixture
def database(database_url: str, template: Path, tmp_path: Path) -> Iterator[Database]:
    """A database with the schema and the users, and no task."""
    shutil.copy(template, tmp_path / "api.sqlite3")
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture
def ann(database: Database) -> User:
    """A user with workers on `default` and `high`."""
    return find(database, "ann")


@pytest.fixture
def bob(database: Database) -> User:
    """A user with a worker on `default`."""
    return find(database, "bob")


def find(database: Database, name: str) -> User:
    """The user of that name."""
    user = users.find(database, name)
    assert user is not None
    return user


class Client:
    """Calls the service as one user, by token (None: as nobody)."""

    def __init__(self, app: Any, token: str | None) -> None:
        self._client = falcon.testing.TestClient(app)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, **options: Any) -> falcon.testing.Result:
        headers = self._headers | options.pop("headers", {})
        return self._client.simulate_request(method, path, headers=headers, **options)

    def form(self, body: str | bytes, **headers: str) -> falcon.testing.Result:
        """POSTs a form to the tasks."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return self("POST", "/api/v1/task", body=body, headers=headers)

    def json(self, value: Any, **headers: str) -> falcon.testing.Result:
        """POSTs JSON to the tasks."""
        return self("POST", "/api/v1/task", json=value, headers=headers)


def basic(name: str, password: str) -> str:
    """The Authorization header of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def queue_app(url: str) -> redisq.RedisQ:
    """An app with two tasks."""
    app = redisq.RedisQ(url)

    @app.task(name="shout")
    def shout(input_param: str) -> str:
        return input_param.upper()

    @app.task(name="fail", max_attempts=1)
    def fail(input_param: Any) -> None:
        raise RuntimeError(f"no {input_param}")

    return app


@pytest.fixture
def dead_url() -> str:
    """The URL of a server that is not there."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def make_client(database: Database) -> Callable[..., Client]:
    """`make_client("ann", url)`: a client of a service on that Redis."""

    def make(name: str | None, url: str, **config: Any) -> Client:
        app = create_app(Settings(**config), database=database, queue_app=queue_app(url))
        return Client(app, users.create_token(database, find(database, name)) if name else None)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client], dead_url: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Ann's client of a service whose Redis is away."""
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    return make_client("ann", dead_url)


@pytest.fixture
def app(redis_url: str) -> redisq.RedisQ:
    """The app of the workers."""
    return queue_app(redis_url)


@pytest.fixture
def relay(database: Database, app: redisq.RedisQ) -> Relay:
    """A relay that a test moves by hand."""
    return Relay(database, app, backlog=1000)
