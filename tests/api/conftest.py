"""Databases with users, and the service as an object that can be called without a network."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
from redisq_api import create_app, migrations, users
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.relay import Relay
from redisq_api.settings import Settings
from redisq_api.users import User

import redisq
from tests.needs import need_postgresql
from tests.postgres import postgres
from tests.servers import free_port

PASSWORDS = {"ann": "ann's secret", "bob": "bob's secret"}
WORKERS = {"ann": ["default", "high"], "bob": ["default"]}


DATABASES = ("sqlite", "postgresql")
_numbers = count()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a database is one of both, in this folder; but what is looked at in a browser, of one."""
    if "database_kind" in metafunc.fixturenames:
        kinds = DATABASES[:1] if "browser" in metafunc.fixturenames else DATABASES
        metafunc.parametrize("database_kind", kinds, scope="session")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """Gives the one PostgreSQL that all tests share; it starts when first asked for."""
    with ExitStack() as stack:
        started: list[str] = []

        def get() -> str:
            if not started:
                need_postgresql()
                started.append(stack.enter_context(postgres()))
            return started[0]

        yield get


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the schema and the users; made once, since passwords are slow to hash on purpose."""
    path = tmp_path_factory.mktemp("template") / "api.sqlite3"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def filled_postgres(postgres_url: Callable[[], str]) -> Callable[[], str]:
    """Gives the one PostgreSQL database that has the schema and the users: a new one takes longer than many a test."""

    @cache
    def get() -> str:
        url = postgres_url().replace("/postgres", "/filled")
        create(postgres_url(), "filled")
        fill(url)
        keep(url)
        return url

    return get


@pytest.fixture(scope="session")
def new_database(
    database_kind: str,
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_url: Callable[[], str],
    filled_postgres: Callable[[], str],
) -> Callable[[bool], str]:
    """`new_database(True)`: the URL of the database with the schema and the users; without them, of an empty one."""
    if database_kind == "sqlite":

        def new(is_filled: bool) -> str:
            path = tmp_path_factory.mktemp("database") / "api.sqlite3"
            if is_filled:
                shutil.copy(template, path)
            return f"sqlite:///{path}?synchronous=normal"

        return new

    def new_or_restored(is_filled: bool) -> str:
        if is_filled:
            restore(filled_postgres())
            return filled_postgres()
        name = f"test_{next(_numbers)}"
        create(postgres_url(), name)
        return postgres_url().replace("/postgres", f"/{name}")

    return new_or_restored


def create(server: str, name: str) -> None:
    """Makes an empty database on a PostgreSQL."""
    with closing(Database(server)) as database:
        database.run(f"CREATE DATABASE {name} TEMPLATE template0")


def keep(url: str) -> None:
    """Copies the rows of all tables aside."""
    with closing(Database(url)) as database, database.write():
        database.run("CREATE SCHEMA kept")
        for table in tables(database):
            database.run(f"CREATE TABLE kept.{table} AS TABLE {table}")


def restore(url: str) -> None:
    """Gives all tables the rows that were kept."""
    with closing(Database(url)) as database, database.write():
        database.run("SET LOCAL session_replication_role = replica")  # in any order: no foreign key is looked at
        for table in tables(database):
            database.run(f"DELETE FROM {table}")
            database.run(f"INSERT INTO {table} SELECT * FROM kept.{table}")


def tables(database: Database) -> list[str]:
    """All that the service has in a PostgreSQL."""
    return [name for (name,) in database.all("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def fill(url: str) -> None:
    """Makes the schema, and adds the users."""
    with closing(Database(url)) as database:
        migrations.apply(database)
        for name, queues in WORKERS.items():
            assert users.add(database, name, PASSWORDS[name], queues)


@pytest.fixture
def database_url(new_database: Callable[[bool], str], request: pytest.FixtureRequest) -> str:
    """The URL of the test's `database`; of an empty one if the test does not use that."""
    return new_database("database" in request.fixturenames)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with the schema and the users, and no task."""
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture
def away(
    database: Database, database_kind: str, postgres_url: Callable[[], str]
) -> Callable[[], AbstractContextManager[None]]:
    """In a `with away():` block the database cannot be used."""

    @contextmanager
    def of_sqlite() -> Iterator[None]:
        with database.write():  # which SQLite calls an operational error
            for table in ("task", "service", "account"):
                database.run(f"ALTER TABLE {table} RENAME TO away_{table}")
        yield
        with database.write():
            for table in ("task", "service", "account"):
                database.run(f"ALTER TABLE away_{table} RENAME TO {table}")

    @contextmanager
    def of_postgresql() -> Iterator[None]:
        row = database.one("SELECT current_database()")
        assert row is not None
        with closing(Database(postgres_url())) as server:
            server.run(f"ALTER DATABASE {row[0]} ALLOW_CONNECTIONS false")
            server.all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?", row[0])
            yield
            server.run(f"ALTER DATABASE {row[0]} ALLOW_CONNECTIONS true")

    return of_sqlite if database_kind == "sqlite" else of_postgresql


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
def acts(database: Database) -> Acts:
    """What an administrator can do."""
    return Acts(database, "cli:operator")


@pytest.fixture
def make(
    make_client: Callable[..., Client], dead_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Client]:
    """`make("ann")`: a client of a service of its own, whose Redis is away."""
    monkeypatch.setattr("redisq_api.app._PATIENCE", 0.01)
    return lambda name, **config: make_client(name, dead_url, **config)


@pytest.fixture
def make_client(database: Database) -> Callable[..., Client]:
    """`make_client("ann", url)`: a client of a service on that Redis."""

    def make(name: str | None, url: str, **config: Any) -> Client:
        app = create_app(Settings(**config), database=database, queue_app=queue_app(url))
        return Client(app, users.create_token(database, find(database, name)) if name else None)

    return make


@pytest.fixture
def client(make: Callable[..., Client]) -> Client:
    """Ann's client of a service whose Redis is away."""
    return make("ann")


@pytest.fixture
def app(redis_url: str) -> redisq.RedisQ:
    """The app of the workers."""
    return queue_app(redis_url)


@pytest.fixture
def relay(database: Database, app: redisq.RedisQ) -> Relay:
    """A relay that a test moves by hand."""
    return Relay(database, app, backlog=1000)
