"""A worker that is killed with all its processes when half of the jobs are done, and another that starts then."""

from __future__ import annotations

import time
from collections import Counter

from adapters import jobs
from turns import START_TIMEOUT, Figures, Turn

JOBS = 200
#: Seconds that the second worker is given from the kill on.
CAP = 120.0
#: Seconds after the last job in which one may still come twice.
AFTER = 10.0
#: Seconds for which a job has run, at least, when the worker is killed: it is in the middle of one.
INSIDE = jobs.NAP / 4


def crash(turn: Turn) -> Figures:
    """`done`: jobs that were done at least once, `twice`: more often, `lost`: never, `restarted`: that started again.

    `last_s`: seconds from the kill to the end of the last job that was not done before. What is lost here may come back
    after the cap, if the peer waits longer than that.
    """
    turn.produce([["fill", "nap", 1, JOBS]])
    turn.start_worker()
    turn.wait(lambda: _ready(turn), START_TIMEOUT + JOBS * jobs.NAP * 2, lambda: "half of the jobs are not done")
    turn.worker.kill()
    killed = time.monotonic_ns()
    turn.start_worker()
    end = time.monotonic() + CAP
    while time.monotonic() < end and not turn.worker.ended():
        time.sleep(0.1)
        if len(_done(turn)) == JOBS:
            end = min(end, time.monotonic() + AFTER)
    marks = jobs.read(turn.marks)
    first = {number: when for number, when in reversed(marks) if number < 0}
    done = _done(turn)
    starts = Counter(number for number, _ in marks if number > 0)
    return {
        "done": len(done),
        "twice": sum(count > 1 for count in done.values()),
        "restarted": sum(count > 1 for count in starts.values()),
        "lost": JOBS - len(done),
        "last_s": max(0.0, (max(first.values()) - killed) / 1e9),
    }


def _done(turn: Turn) -> Counter[int]:
    return Counter(number for number, _ in jobs.read(turn.marks) if number < 0)


def _ready(turn: Turn) -> bool:
    """Half of the jobs are done, and one is in the middle."""
    marks = jobs.read(turn.marks)
    done = {-number for number, _ in marks if number < 0}
    if len(done) < JOBS // 2:
        return False
    before = time.monotonic_ns() - INSIDE * 1e9
    return any(number > 0 and number not in done and when < before for number, when in marks)
