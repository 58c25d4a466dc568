"""What a child tells its supervisor in shared memory: whole or not at all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from redisq.worker.board import Slot
from tests.waiting import wait_until


@pytest.fixture
def slot() -> Iterator[Slot]:
    slot = Slot()
    yield slot
    slot.close()


def test_a_new_slot_says_nothing(slot: Slot) -> None:
    assert slot.running() is None
    assert not slot.revoked()
    assert not slot.to_stop()
    assert slot.last_beat() == 0.0


def test_a_job_is_shown_while_it_runs(slot: Slot) -> None:
    before = time.monotonic()
    slot.start(b"q.a", 5.0)
    running = slot.running()
    assert running is not None
    assert (running.job_id, running.limit) == ("q.a", 5.0)
    assert before <= running.started <= time.monotonic()
    assert not running.over_limit
    slot.idle()
    assert slot.running() is None


def test_the_longest_id_fits(slot: Slot) -> None:
    longest = b"q" * 64 + b"." + b"i" * 128
    slot.start(longest, 1.0)
    running = slot.running()
    assert running is not None
    assert running.job_id.encode() == longest
    slot.start(b"q.a", 0.0)
    running = slot.running()
    assert running is not None
    assert running.job_id == "q.a"


def test_a_call_says_how_many_jobs_it_runs(slot: Slot) -> None:
    slot.start(b"q.a", 1.0, 1000)
    assert slot.running().jobs == 1000
    slot.start(b"q.a", 1.0)
    assert slot.running().jobs == 1


def test_the_same_job_twice_is_two_numbers(slot: Slot) -> None:
    slot.start(b"q.a", 1.0)
    first = slot.running()
    slot.start(b"q.a", 1.0)
    assert first is not None
    assert slot.running() is not None
    assert slot.running().number > first.number


def test_a_job_without_a_limit_is_never_over_it(slot: Slot) -> None:
    slot.start(b"q.a", 0.0)
    assert not slot.running().over_limit
    slot.start(b"q.a", 1e-9)
    wait_until(lambda: slot.running().over_limit)


def test_a_stop_is_for_one_job_and_not_for_the_next(slot: Slot) -> None:
    slot.start(b"q.a", 1.0)
    slot.stop(slot.running().number)
    assert slot.to_stop()
    slot.start(b"q.b", 1.0)
    assert not slot.to_stop()


def test_the_flag_is_raised_and_cleared(slot: Slot) -> None:
    slot.revoke()
    assert slot.revoked()
    slot.start(b"q.a", 1.0)
    assert slot.revoked()
    slot.clear()
    assert not slot.revoked()


def test_a_beat_is_the_time_of_the_last_answer(slot: Slot) -> None:
    before = time.monotonic()
    slot.beat()
    assert before <= slot.last_beat() <= time.monotonic()


def test_a_child_that_dies_while_it_writes_does_not_hold_up_its_supervisor(slot: Slot) -> None:
    slot.start(b"q.a", 1.0)
    for _ in range(20):
        pid = os.fork()
        if not pid:
            while True:
                slot.start(b"q.b", 1.0)
        wait_until(lambda: (running := slot.running()) is not None and running.job_id == "q.b")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        running = slot.running()
        assert running is None or running.job_id == "q.b"


def test_the_parent_reads_whole_records_while_the_child_writes(slot: Slot) -> None:
    pid = os.fork()
    if not pid:
        for n in range(60_000):
            slot.start(b"q." + b"%d" % (n % 10) * (1 + n % 60), float(n % 10))
        slot.start(b"q.end", 0.0)
        os._exit(0)
    try:
        while (running := slot.running()) is None or running.job_id != "q.end":
            if running is not None:
                digits = running.job_id.removeprefix("q.")
                assert set(digits) == {str(int(running.limit))}, running
    finally:
        os.waitpid(pid, 0)
    assert slot.running().number == 60_001


def test_jobs_are_counted_over_the_life_of_a_child() -> None:
    slot = Slot()
    assert slot.jobs() == 0
    slot.start(b"q.a", 0.0)
    slot.ran(3)
    slot.ran(500)
    assert slot.jobs() == 503
    assert slot.running() is not None
    slot.close()
