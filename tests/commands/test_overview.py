"""redisq info, redisq workers."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis
from rich.console import Console

import redisq
from redisq.commands.styled import table
from tests.commands.conftest import EVIL, Call
from tests.servers import Server


def test_info_counts_by_status(call: Call, every_state: redisq.Queue) -> None:
    every_state.pause()
    server, queue = call("info", "--json").records
    assert server["server"]["version"].split()[0] in ("redis", "valkey")
    assert server["server"]["memory"] > 100_000
    assert server["server"]["evicts"] == "noeviction"
    assert server["server"]["fragmentation"] > 0
    assert datetime.fromisoformat(server["server"]["last_save"]) <= datetime.now(UTC)
    age = queue.pop("oldest_age")
    assert 0 <= age < 30
    assert queue == {
        "name": "q",
        "scheduled": 1,
        "queued": 1,
        "running": 1,
        "failed": 1,
        "workers": 1,
        "paused": True,
        "oldest": "q.queued",
        "trouble": None,
    }


def test_info_for_people(call: Call, every_state: redisq.Queue, app: redisq.RedisQ) -> None:
    app.queue("another").put(1)
    every_state.pause()
    lines = call("info").out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("QUEUE"))
    assert [line.split()[:6] for line in lines[header + 1 :]] == [
        ["another", "1", "0", "0", "0", "0"],
        ["q", "1", "1", "1", "1", "1"],
    ]
    assert lines[header + 2].endswith("paused")
    assert [line.split()[0] for line in call("info", "q").out.splitlines()[header + 1 :]] == ["q"]


def test_info_of_nothing(call: Call) -> None:
    done = call("info")
    assert done.code == 0
    assert done.out.endswith("no queues: nothing was ever enqueued\n")
    assert len(call("info", "--json").records) == 1


@pytest.mark.usefixtures("garbage")
def test_garbage_hides_nothing(call: Call) -> None:
    queue = call("info", "--json").records[1]
    assert (queue["queued"], queue["failed"], queue["oldest"]) == (6, 3, "q.queued")


def test_a_queue_that_cannot_be_read_hides_no_other(
    call: Call, every_state: redisq.Queue, app: redisq.RedisQ, client: redis.Redis
) -> None:
    app.queue("sound").put(1)
    client.delete(f"{every_state.base}scheduled")
    client.set(f"{every_state.base}scheduled", "who did this")
    done = call("info")
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.startswith(("q ", "sound"))}
    assert rows["sound"][0] == "1"
    assert rows["q"][-1] == "unreadable"
    assert "redisq doctor --queues q" in done.err
    assert "WRONGTYPE" in call("info", "q", "--json").records[1]["trouble"]


@pytest.mark.parametrize(
    ("config", "warning"),
    [
        ({"save": ""}, "keeps nothing on disk"),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, "deletes jobs when its memory is full"),
        ({"maxmemory": "600kb", "maxmemory_policy": "noeviction"}, "will refuse new jobs"),
    ],
)
def test_what_can_lose_jobs_is_warned_of(
    call: Call, new_server: Callable[..., Server], config: dict[str, str], warning: str
) -> None:
    server = new_server(**config)
    said = [line for line in call("info", "--url", server.url).out.splitlines() if line.startswith("WARNING")]
    assert [line for line in said if warning in line]
    told = call("info", "--json", "--url", server.url).records[0]["server"]["warnings"]
    assert [line for line in told if warning in line]


def test_a_safe_server_is_not_warned_of(call: Call, new_server: Callable[..., Server]) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    told = call("info", "--json", "--url", server.url).records[0]["server"]
    assert (told["fsync"], told["warnings"]) == ("always", [])
    assert "fsync always" in call("info", "--url", server.url).out


def test_a_server_that_does_not_tell_its_configuration(call: Call, new_server: Callable[..., Server]) -> None:
    server = new_server(requirepass="hunter2")
    with server.client() as client:
        client.acl_setuser("guest", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config"])
    done = call("info", "--url", f"redis://guest:pw@127.0.0.1:{server.port}/0")
    assert done.code == 0
    assert "snapshots: unknown" in done.out
    assert "keeps nothing" not in done.out
    assert "pw@" not in done.out


def test_workers_are_told_with_what_they_hold(call: Call, every_state: redisq.Queue, app: redisq.RedisQ) -> None:
    other = app.queue("p")
    other.options(job_id="evil").enqueue("t" + EVIL.partition("\x1b")[0])
    held = other.claim()
    records = call("workers", "--json").records
    assert [record["queues"] for record in records if record["held"]] in ([["q"], ["p"]], [["p"], ["q"]])
    (mine,) = (record for record in records if record["queues"] == ["q"])
    assert (mine["pid"], mine["held"]) == (os.getpid(), 1)
    assert 0 < mine["lease_left"] <= 30
    assert mine["name"].startswith(f"{mine['host']}-{mine['pid']}-")
    (job,) = mine["jobs"]
    assert (job["id"], job["task"], job["attempt"]) == ("q.running", "t", 1)
    assert 0 <= job["waited"] < 30
    assert 0 <= job["held_for"] < 30
    lines = call("workers").out.splitlines()
    assert len(lines) == 3
    assert [line for line in lines if "q.running (t, " in line]
    assert [record["queues"] for record in call("workers", "--json", "--queue", "p").records] == [["p"]]
    assert held


def test_no_workers(call: Call) -> None:
    assert call("workers").out == "no workers\n"
    assert call("workers", "--json").out == ""
    assert call("workers", "--queue", "never").out == "no workers\n"


def test_workers_with_names_from_elsewhere(call: Call, client: redis.Redis, app: redisq.RedisQ) -> None:
    app.queue("q").put(1)
    names = [b"\x1b[31mx", b"plain", b"-", b"a-b-c-1-n", b"\xff-5-x", b""]
    client.zadd("redisq:{q}:workers", dict.fromkeys(names, 1000000000000000.0))
    client.rpush("redisq:{q}:claimed:plain", b"\x1b[2J", "ghost")
    assert len(call("workers").out.splitlines()) == 7
    records = {record["name"]: record for record in call("workers", "--json").records}
    assert (records["a-b-c-1-n"]["host"], records["a-b-c-1-n"]["pid"]) == ("a-b-c", 1)
    assert (records["plain"]["host"], records["plain"]["pid"], records["plain"]["held"]) == ("plain", None, 2)


def test_a_table_on_a_narrow_terminal_has_a_line_for_each_row() -> None:
    console = Console(width=30, record=True, file=io.StringIO())
    rows = [[f"name-{n}", "1", EVIL.partition(" ")[0] + "x" * n] for n in range(40)]
    console.print(table(("NAME", "NUMBER", "NOTE"), rows, (False, True, False)))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *(row[0] for row in rows)]
    assert "[bold" in lines[1]
