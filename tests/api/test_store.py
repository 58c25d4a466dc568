"""Lists of tasks with filters: what they find, and that they stay fast with 100,000 rows, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redisq_api import ids, migrations, store
from redisq_api.database import Database
from redisq_api.store import Filter

from tests.needs import need_postgresql
from tests.postgres import postgres

ROWS = 100_000
OWNER = 1
#: Every 1000th has failed, every 10,000th is of the task `rare`, every other is of the queue `high`.
_VALUES = (
    " {account}, CASE WHEN i % 10000 = 0 THEN 'rare' ELSE 'shout' END, '1', CASE WHEN i % 2 = 0 THEN 'high'"
    " ELSE 'default' END, CASE WHEN i % 1000 = 0 THEN 'failed' ELSE 'succeeded' END, 1, i, 0, 0, 0 FROM n"
)
_COLUMNS = "id, account_id, task, input_param, queue, state, attempt, created_at, due_at, relay_at, run"
_FILL_SQLITE = (
    "INSERT INTO task (" + _COLUMNS + ")"
    " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
    " SELECT printf('%014x', i) || printf('%016x', {account})," + _VALUES
)
_FILL_POSTGRES = (
    "INSERT INTO task (" + _COLUMNS + ") SELECT lpad(to_hex(i), 14, '0') || lpad(to_hex({account}), 16, '0'),"
    + _VALUES.replace("FROM n", "FROM generate_series(0, {last}) AS i").replace("%", "%%")
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database in which the owner has 100,000 ended tasks, and somebody else some."""
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("full") / "api.sqlite3"
        with closing(Database(f"sqlite:///{path}?synchronous=normal")) as database:
            yield fill(database, _FILL_SQLITE)
        return
    need_postgresql()
    with postgres() as url, closing(Database(url)) as database:
        yield fill(database, _FILL_POSTGRES)


def fill(database: Database, statement: str) -> Database:
    migrations.apply(database)
    with database.write():
        for account, rows in ((OWNER, ROWS), (2, 1000)):
            database.run("INSERT INTO account (id, name, password, created_at) VALUES (?, ?, 'x', 0)", account, account)
            database.run(statement.format(account=account, last=rows - 1))
    database.run("ANALYZE task" if database.is_sqlite else "VACUUM ANALYZE task")
    return database


def pages(database: Database, wanted: Filter, limit: int = 100) -> list[list[int]]:
    """The times of the tasks of every page, until there is no more."""
    found = []
    while True:
        tasks, cursor = store.page(database, OWNER, wanted, limit)
        found.append([task.created_at for task in tasks])
        if cursor is None:
            return found
        assert wanted.before is None or cursor < wanted.before
        wanted = Filter(wanted.status, wanted.queue, wanted.task, wanted.after, cursor)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(task="rare"), range(90_000, -1, -10_000)),
        (Filter(status="failed"), range(99_000, -1, -1000)),
        (Filter(status="failed", queue="default"), ()),
        (Filter(status="failed", queue="high", task="rare"), range(90_000, -1, -10_000)),
        (Filter(queue="nowhere"), ()),
        (Filter(after=ids.bound(40), before=ids.bound(50)), range(49, 39, -1)),
        (Filter(queue="high", after=ids.bound(40), before=ids.bound(50)), range(48, 39, -2)),
    ],
)
def test_the_pages_of_a_filter_have_all_that_fits(full: Database, wanted: Filter, expected: range) -> None:
    found = pages(full, wanted)
    assert [moment for page in found for moment in page] == list(expected)
    assert len(found) <= ROWS // store.SCAN + 2


@pytest.mark.parametrize(
    "wanted",
    [Filter(), Filter(queue="high"), Filter(task="rare"), Filter(status="failed"), Filter("failed", "high", "rare"),
     Filter(after=ids.bound(40), before=ids.bound(50))],
)  # fmt: skip
def test_a_page_reads_a_stretch_of_the_index_in_its_order(full: Database, wanted: Filter) -> None:
    query, values = store._filtered(wanted)
    low, high = wanted.after or "", wanted.before or "~"
    floor = full.one(store._FLOOR, OWNER, low, high, 1, store.SCAN) if wanted.is_selective else None
    for sql, rest in ((store._FLOOR, [1, store.SCAN]), (query, [*values, 20])):
        if sql == query and floor is not None:
            low = floor[0]
        explain = "EXPLAIN QUERY PLAN " if full.is_sqlite else "EXPLAIN "
        plan = [str(row[-1]) for row in full.all(explain + sql, OWNER, low, high, *rest)]
        text = "\n".join(plan)
        if full.is_sqlite:
            assert len(plan) == 1, text
            assert plan[0].startswith("SEARCH task USING"), text
            assert "INDEX task_listing (account_id=? AND id>? AND id<?)" in plan[0], text
        else:
            # Of a user who has nearly all rows, the primary key is as good.
            assert "Scan Backward using task_" in text, text
            assert "Seq Scan" not in text, text
            assert "Sort" not in text, text


def test_a_page_of_a_hundred_thousand_looks_at_a_part_of_them(full: Database) -> None:
    tasks, cursor = store.page(full, OWNER, Filter(queue="nowhere"), 20)
    assert tasks == []
    assert cursor is not None
    assert ids.moment(cursor) == ROWS - 1 - store.SCAN
