"""A child as its supervisor sees it, from the moment of the fork."""

from __future__ import annotations

import gc
import os
import signal
import time

import pytest

from redisq.worker.board import Slot
from redisq.worker.crew_process import CrewProcess
from redisq.worker.lanes import Lanes
from redisq.worker.process import Process

FORKS = 400


def test_a_signal_at_the_moment_of_the_fork_is_heard() -> None:
    """Python forgets in a new child what came before it was ready for it; the kernel has to keep it."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))

    def main(slot: Slot) -> int:
        deadline = time.monotonic() + 5.0
        while not heard and time.monotonic() < deadline:
            time.sleep(0.001)
        return 0 if heard else 1

    try:
        for _ in range(FORKS):
            child = Process.fork("w", main)
            child.terminate()
            code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
            child.slot.close()
            assert code == 0, "the child has not heard it"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGTERM, signal.SIGUSR1} == set()


def test_the_collector_leaves_alone_what_a_child_shares_with_its_supervisor() -> None:
    child = Process.fork("w", lambda slot: 0 if gc.get_freeze_count() > 1000 else 1)
    child.slot.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0
    assert gc.get_freeze_count() == 0, "the supervisor collects its own"


@pytest.mark.parametrize("is_crew", [False, True])
def test_a_cancelled_job_is_stopped_only_if_no_other_runs_in_its_call(is_crew: bool) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    slot = Lanes(2) if is_crew else Slot()
    lane = slot.lanes[1] if isinstance(slot, Lanes) else slot
    process = CrewProcess("w", slot, os.getpid()) if isinstance(slot, Lanes) else Process("w", slot, os.getpid())
    try:
        lane.start(b"q.a", 1.0, 2)
        process.stop("q.a")
        assert (heard, lane.to_stop()) == ([], False)
        lane.start(b"q.a", 1.0)
        process.stop("q.a")
        assert (heard, lane.to_stop()) == ([signal.SIGUSR1], True)
    finally:
        signal.signal(signal.SIGUSR1, before)
        slot.close()
