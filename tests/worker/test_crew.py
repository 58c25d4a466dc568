"""The parts of a child that runs several jobs: its board, its bell, how much it claims, how its jobs are stopped."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest

from redisq import RedisQ
from redisq.claimed import Claimed, Settlement, Source
from redisq.worker.bell import Bell
from redisq.worker.hands import Hands, Loop, Threads
from redisq.worker.lanes import Lanes
from redisq.worker.reach import Reach
from redisq.worker.runner import Runner
from redisq.worker.stint import Stint
from tests.waiting import wait_until

SOURCE = Source("default", "redisq:{default}:")
app = RedisQ("redis://127.0.0.1:1/0", patience=0.0)


def claimed(task: str, *args: Any) -> Claimed:
    body = msgspec.json.encode([args, {}])
    return Claimed(SOURCE, b"j1", 1, b"1", task.encode(), body, None, b"1700000000000", None, None, None)


@app.task("spin")
def spin(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


@app.task("wait")
async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


Ended = SimpleQueue[Settlement]


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    lanes = Lanes(3)
    yield lanes
    lanes.close()


@pytest.fixture(params=[Threads, Loop])
def hands(request: pytest.FixtureRequest) -> Iterator[tuple[Hands, Ended]]:
    """One hand of each kind, and where it puts what has ended."""
    ended: Ended = SimpleQueue()
    hands = request.param(1, Runner(app, "w1"), lambda stint, settled: ended.put(*settled))
    yield hands, ended
    hands.close()


def stint_of(hands: Hands, lanes: Lanes, seconds: float) -> Stint:
    job = claimed("wait" if isinstance(hands, Loop) else "spin", seconds)
    stint = Stint(job, Runner(app, "w1").options(job), lanes.lanes[0])
    stint.lane.start(b"default.j1", 0.0)
    return stint


# The board


def test_lanes_are_apart(lanes: Lanes) -> None:
    for n, lane in enumerate(lanes.lanes):
        lane.start(b"q.%d" % n * 20, 10.0 * n)
    assert [(one.job_id, one.limit) for one in lanes.all_running()] == [(f"q.{n}" * 20, 10.0 * n) for n in range(3)]
    lanes.lanes[1].stop(lanes.lanes[1].running().number)
    assert [lane.to_stop() for lane in lanes.lanes] == [False, True, False]
    lanes.lanes[1].idle()
    assert [one.job_id for one in lanes.all_running()] == ["q.0" * 20, "q.2" * 20]
    assert lanes.running() is None  # or the supervisor would give back what was claimed behind it


def test_the_end_of_a_job_is_a_sign_of_life(lanes: Lanes) -> None:
    lanes.beat()
    lanes.lanes[2].start(b"q.a", 0.0)
    before = time.monotonic()
    lanes.lanes[2].idle()
    assert lanes.last_sign() >= before > lanes.last_beat()


# The bell


def test_a_bell_rings_until_it_is_cleared() -> None:
    bell = Bell()
    for _ in range(100_000):  # more than its buffer holds
        bell.ring()
    bell.wait()
    bell.wait()
    bell.clear()
    began = time.monotonic()
    bell.wait(0.05)
    assert time.monotonic() - began >= 0.045
    threading.Timer(0.05, bell.ring).start()
    bell.wait()
    bell.close()
    bell.ring()  # late, and harmless


# How much


class Idle(Hands):
    def _start(self, stint: Stint) -> None: ...
    def close(self) -> None: ...


def test_as_many_as_there_are_places_until_a_kind_is_scarce() -> None:
    threads, loop = (Idle(n, None, None) for n in (2, 50))  # type: ignore[arg-type]
    reach = Reach()
    assert reach.budget(50) == 50
    reach.stranded(threads)
    assert (reach.budget(50), reach.budget(1)) == (2, 1)
    reach.note([threads, threads])
    assert reach.budget(50) == 2
    threads.free = 0
    assert reach.budget(50) == 0
    budgets = []
    for _ in range(8):
        reach.note([loop])
        budgets.append(reach.budget(50))
    assert budgets == [1, 2, 4, 8, 16, 32, 50, 50]
    reach.stranded(threads)
    assert reach.budget(50) == 0


# Stopping


def test_hands_run_a_job_and_clear_its_lane(hands: tuple[Hands, Ended], lanes: Lanes) -> None:
    one, ended = hands
    one.start(stint_of(one, lanes, 0.0))
    assert one.free == 0
    settlement = ended.get(timeout=5.0)
    assert (settlement.way, settlement.text) == ("s", b'"done"')
    assert lanes.all_running() == []
    one.release()
    assert one.free == 1


@pytest.mark.parametrize(("limit", "way", "text"), [(None, "c", "cancelled"), (5.0, "r", b"timeout: it ran longer")])
def test_a_job_that_is_asked_to_stop_does(
    hands: tuple[Hands, Ended], lanes: Lanes, limit: float | None, way: str, text: bytes | str
) -> None:
    one, ended = hands
    stint = stint_of(one, lanes, 60.0)
    one.start(stint)
    wait_until(lambda: stint._interrupt)
    stint.stop(limit)
    settlement = ended.get(timeout=5.0)
    assert settlement.way == way
    assert settlement.text[: len(text)] == text


def test_one_that_is_asked_before_it_begins_does_not_begin(hands: tuple[Hands, Ended], lanes: Lanes) -> None:
    one, ended = hands
    stint = stint_of(one, lanes, 60.0)
    stint.stop(None)
    one.start(stint)
    assert ended.get(timeout=5.0).way == "c"
    assert lanes.all_running() == []


def test_a_stop_that_comes_as_a_job_ends_hits_no_other(hands: tuple[Hands, Ended], lanes: Lanes) -> None:
    """Stops at all moments of a job's life: each is of its own job, and the next one runs to its end."""
    one, ended = hands
    stopped = 0
    for n in range(400):
        stint = stint_of(one, lanes, 0.0005)
        one.start(stint)
        end = time.perf_counter() + n % 40 * 0.00003
        while time.perf_counter() < end:
            pass
        stint.stop(None)
        stopped += ended.get(timeout=5.0).way == "c"
        after = stint_of(one, lanes, 0.0)
        one.start(after)
        assert ended.get(timeout=5.0).way == "s"
    assert stopped > 20
