"""Which children are replaced, and when the old ones are let go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from redisq.worker import recycling
from redisq.worker.board import Slot
from redisq.worker.process import Process
from redisq.worker.recycling import Recycling, resident


class Child(Process):
    """One whose end is only noted."""

    def __init__(self, jobs: int = 0, serves: bool = True) -> None:
        super().__init__("w", Slot(), os.getpid())
        self.slot.ran(jobs)
        self.told = False
        if serves:
            self.slot.beat()

    def terminate(self) -> None:
        self.told = True


def test_nothing_is_looked_at_without_a_limit() -> None:
    assert Recycling(None, None).look([Child(jobs=10**9)], 1) == 0


def test_the_old_one_is_told_only_when_the_new_one_serves() -> None:
    limits = Recycling(10, None)
    old, other = Child(jobs=9), Child(jobs=1)
    children = [old, other]
    assert limits.look(children, 2) == 0
    old.slot.ran(1)
    assert limits.look(children, 2) == 1
    assert limits.look(children, 2) == 0, "its successor is wanted once"
    assert not old.told
    new = Child(serves=False)
    children.append(new)
    limits.look(children, 2)
    assert not old.told
    new.slot.beat()
    limits.look(children, 2)
    assert old.told
    assert not other.told
    assert not new.told


def test_as_many_are_told_as_serve_in_their_place() -> None:
    limits = Recycling(10, None)
    old = [Child(jobs=10) for _ in range(3)]
    children = list(old)
    assert limits.look(children, 3) == 3
    for told in range(1, 4):
        children.append(Child())
        limits.look(children, 3)
        assert sum(child.told for child in old) == told


def test_one_that_is_large_from_the_start_is_not_replaced_for_ever() -> None:
    child = Child(jobs=0)
    assert Recycling(None, 1).look([child], 1) == 0
    child.slot.ran(1)
    assert Recycling(None, 1).look([child], 1) == 1


def test_the_size_of_a_process_is_the_same_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    here = resident([os.getpid()])[os.getpid()]
    assert 5 < here < 5000
    monkeypatch.setattr(recycling, "_PROC", Path("/nothing/there"))
    assert resident([os.getpid()])[os.getpid()] == pytest.approx(here, rel=0.2)


@pytest.mark.parametrize("proc", ["/proc", "/nothing/there"])
def test_a_process_that_is_gone_has_no_size(monkeypatch: pytest.MonkeyPatch, proc: str) -> None:
    monkeypatch.setattr(recycling, "_PROC", Path(proc))
    assert resident([]) == {}
    assert resident([2**22 + 1]) == {}
