"""A child as its supervisor sees it, from the moment of the fork."""

from __future__ import annotations

import os
import signal
import time

from redisq.worker.board import Slot
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
