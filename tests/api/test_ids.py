"""Ids of tasks sort by time and fit into a job's id."""

from __future__ import annotations

import pytest
from redisq_api import clock, ids


def test_ids_grow_and_differ() -> None:
    maker = ids.IdMaker()
    made = [one for count in (1, 3, 500) for one in maker.make(count)]
    assert made == sorted(set(made))
    assert all(ids.PATTERN.fullmatch(one) for one in made)


def test_ids_grow_though_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = ids.IdMaker()
    times = iter([2_000_000, 1_000_000, 1_000_000])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    made = [*maker.make(2), *maker.make(2), *maker.make(2)]
    assert made == sorted(made)


def test_the_time_of_an_id_and_the_bound_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1_700_000_000_000_000)
    made = ids.IdMaker().make(2)
    assert [ids.moment(one) for one in made] == [1_700_000_000_000_000, 1_700_000_000_000_001]
    assert ids.bound(1_700_000_000_000_000) < made[0] < ids.bound(1_700_000_000_000_001) < made[1]
    assert ids.bound(-1) == "0" * 14 < made[0] < ids.bound(10**30)
