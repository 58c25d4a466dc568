"""Rates that processes keep together: what passes, when the next does, and that two never get the last one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from redisq_api import clock, limits
from redisq_api.database import Database
from redisq_api.limits import Rate

RATE = Rate(3, 60)



@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time, which a test sets."""
    now = [1_000_000 * clock.SECOND]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    return now


def test_so_many_at_once_and_then_one_as_each_is_earned(database: Database, moment: list[int]) -> None:
    taken = [limits.take(database, "a", RATE) for _ in range(4)]
    assert [one.is_granted for one in taken] == [True, True, True, False]
    assert [one.remaining for one in taken] == [2, 1, 0, 0]
    assert [one.reset for one in taken] == [20, 40, 60, 60]
    assert taken[3].wait == 20.0
    assert limits.take(database, "b", RATE).is_granted
    moment[0] += 20 * clock.SECOND - 1
    assert not limits.take(database, "a", RATE).is_granted
    moment[0] += 1
    assert limits.take(database, "a", RATE).is_granted
    assert not limits.take(database, "a", RATE).is_granted
    moment[0] += 3600 * clock.SECOND
    assert limits.take(database, "a", RATE).remaining == 2, "what is not used is not saved up"


def test_what_was_refused_is_not_counted(database: Database, moment: list[int]) -> None:
    for _ in range(100):
        limits.take(database, "a", RATE)
    moment[0] += 20 * clock.SECOND
    assert limits.take(database, "a", RATE).is_granted


def test_what_has_happened_is_counted_beyond_the_limit(database: Database, moment: list[int]) -> None:
    assert limits.wait(database, ("a", RATE), ("b", RATE)) == 0
    for _ in range(5):
        limits.count(database, "a", RATE)
    assert limits.wait(database, ("a", RATE)) == limits.wait(database, ("b", RATE), ("a", RATE)) == 60.0
    assert limits.wait(database, ("b", RATE)) == 0
    moment[0] += 60 * clock.SECOND
    assert limits.wait(database, ("a", RATE)) == 0


def test_a_rate_of_one(database: Database, moment: list[int]) -> None:
    assert limits.take(database, "a", Rate(1, 1)).is_granted
    assert limits.take(database, "a", Rate(1, 1)).wait == 1.0
    moment[0] += clock.SECOND
    assert limits.take(database, "a", Rate(1, 1)).is_granted


def test_a_rate_of_very_many(database: Database) -> None:
    assert limits.take(database, "a", Rate(999_999_999, 1)).is_granted


def test_paid_debts_are_forgotten(database: Database, moment: list[int]) -> None:
    limits.count(database, "a", RATE)
    assert limits.forget_paid(database) == 0
    moment[0] += 20 * clock.SECOND
    limits.count(database, "b", RATE)
    assert limits.forget_paid(database) == 1
    assert database.all("SELECT name FROM meter") == [("b",)]


def test_what_somebody_sent_is_not_stored(database: Database) -> None:
    name = limits.key("account", "a password in the wrong field\udcff")
    limits.count(database, name, RATE)
    assert "password" not in str(database.all("SELECT * FROM meter"))
    assert name != limits.key("address", "a password in the wrong field\udcff")


TAKER = """
import sys
from redisq_api import limits
from redisq_api.database import Database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(sum(limits.take(database, "a", limits.Rate(50, 36000)).is_granted for _ in range(40)))
"""


def test_four_processes_get_no_more_than_there_is(database: Database, database_url: str) -> None:
    command = [sys.executable, "-c", TAKER, database_url]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(taker.stdout or sys.stdin).readline() for taker in takers] == ["ready\n"] * 4
    counts = [int(taker.communicate("\n")[0]) for taker in takers]
    assert sum(counts) == 50


def test_counting_is_durable_only_when_asked(database: Database) -> None:
    """What `note` does to the connection is undone, so that an accepted task waits for the disk as before."""
    if not database.is_sqlite:
        with database.note():
            assert database.one("SHOW synchronous_commit") == ("off",)
        assert database.one("SHOW synchronous_commit") == ("on",)
        return
    database.one("PRAGMA synchronous = full")
    with database.note():
        assert database.one("PRAGMA synchronous") == (1,)
    assert database.one("PRAGMA synchronous") == (2,)
    with pytest.raises(ZeroDivisionError), database.note():
        raise ZeroDivisionError
    assert database.one("PRAGMA synchronous") == (2,)
