"""What the soak of benchmarks/ calls growth."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import soak


def samples(**last: float) -> list[dict[str, float]]:
    """Eight, as flat as they can be, but for the figures of the last two."""
    flat = {
        "jobs_per_s": 20_000.0,
        "supervisor_rss_mb": 36.0,
        "child_rss_mb": 30.0,
        "record_bytes": 250.0,
        "records": 1_300_000.0,
    }
    return [flat] * 6 + [flat | last] * 2


def test_what_is_flat_has_not_grown() -> None:
    assert soak.grown(samples()) == []
    assert soak.grown(samples(child_rss_mb=31.0, record_bytes=280.0, jobs_per_s=1.0)) == []


@pytest.mark.parametrize(
    "last", [{"child_rss_mb": 32.0}, {"supervisor_rss_mb": 38.0}, {"record_bytes": 320.0}, {"records": 1_500_000.0}]
)
def test_growth_is_said(last: dict[str, float]) -> None:
    (line,) = soak.grown(samples(**last))
    assert line.startswith(next(iter(last)))
