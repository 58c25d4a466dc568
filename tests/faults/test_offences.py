"""The verdict of a fault run of the service finds each offence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.posting import Posted
from tests.faults.service import offences

ROWS = {"t1": ("succeeded", '["k1",7]')}


def end(t: float, token: int = 7, key: str = "k1") -> dict[str, Any]:
    return {"e": "end", "t": t, "key": key, "token": token}


def kill(t: float, target: str = "worker-0") -> dict[str, Any]:
    return {"e": "fault", "t": t, "target": target}


def found(posted: Posted | None = None, rows: Any = None, events: Any = None, count: int = 1) -> list[str]:
    posted = Posted(accepted={"k1": "t1"}) if posted is None else posted
    rows, events = ROWS if rows is None else rows, [end(1.0)] if events is None else events
    return [name for name, examples in offences(posted, rows, events, count).items() if examples]


def test_a_run_without_offence() -> None:
    assert found() == []
    assert found(events=[end(1.0, 6), kill(2.0), end(3.0)]) == [], "its worker was killed before it could say so"


@pytest.mark.parametrize(
    ("changes", "offence"),
    [
        ({"posted": Posted(accepted={"k1": "t1"}, wrong=["k1: 500"])}, "wrong answers"),
        ({"count": 2}, "never accepted"),
        ({"rows": ROWS | {"t2": ("succeeded", None)}}, "in the database, but never answered"),
        ({"rows": {"t1": ("queued", None)}}, "not ended"),
        ({"rows": {}}, "not ended"),
        ({"events": []}, "no effect"),
        ({"events": [end(1.0, 6)]}, "another run counted"),
        ({"events": [end(1.0, 6), end(3.0)]}, "more than one effect, without a kill"),
        ({"events": [end(1.0, 6), kill(2.0, "relay-0"), end(3.0)]}, "more than one effect, without a kill"),
        ({"events": [end(1.0), {"e": "died", "t": 1.0}]}, "processes that ended by themselves"),
    ],
)
def test_each_offence_is_found(changes: dict[str, Any], offence: str) -> None:
    assert found(**changes) == [offence]
