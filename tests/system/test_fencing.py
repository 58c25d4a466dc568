"""The example of the documentation: a worker that was given up writes late, and the database refuses it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

import redisq
from tests.needs import need_postgresql
from tests.postgres import postgres
from tests.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fencing.py"
TABLE = "CREATE TABLE account (id text PRIMARY KEY, balance numeric NOT NULL, token bigint NOT NULL DEFAULT 0)"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    need_postgresql()
    with postgres() as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLE)
        yield url


@pytest.fixture
def example(database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("REDISQ_URL", redis_url)
    monkeypatch.setenv("LEASE", "0.6")
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM account")
        connection.execute("INSERT INTO account (id, balance) VALUES ('alice', 0)")
    spec = importlib.util.spec_from_file_location("fencing", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def balance() -> Decimal:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT balance FROM account").fetchone()
        assert row
        return Decimal(row[0])


def test_a_stale_writer_is_refused(example: ModuleType) -> None:
    queue = example.app.queue("accounts")
    example.set_balance.enqueue("alice", "10")
    frozen = queue.claim()
    example.app.close()  # from here on nobody renews the lease of this delivery, as if its process stood still

    other = redisq.RedisQ(os.environ["REDISQ_URL"], lease=0.6).queue("accounts")
    taken = wait_until(lambda: other.claim(timeout=1.0), 15)
    assert taken.job.id == frozen.job.id
    assert taken.job.token > frozen.job.token
    with taken:
        example.write("alice", Decimal(10), taken.job.token)
    example.set_balance.enqueue("alice", "20")
    with wait_until(lambda: other.claim(timeout=1.0), 15) as later:
        example.write("alice", Decimal(20), later.job.token)

    with pytest.raises(example.Superseded):  # the frozen one wakes, and would set the balance back
        example.write("alice", Decimal(10), frozen.job.token)
    assert balance() == 20
    with pytest.raises(redisq.LeaseLost):
        frozen.ack()


def test_the_same_delivery_may_write_twice(example: ModuleType) -> None:
    example.write("alice", Decimal(1), 7)
    example.write("alice", Decimal(2), 7)
    assert balance() == 2
