"""The tables of docs/performance.rst, from results as the benchmarks write them. They are files of benchmarks/."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.append(str(BENCHMARKS))

import tables  # noqa: E402


def entry(peer: str, number: int, settings: str = "safest", **figures: Any) -> dict[str, Any]:
    return {
        "peer": peer,
        "variant": "",
        "settings": settings,
        "note": "",
        "workload": "drain",
        "round": number,
        "figures": figures,
    }


def parts(*entries: dict[str, Any]) -> dict[str, list[tables.Way]]:
    return tables.parse("peers", {"benchmark": "peers", "versions": {}, "rounds": list(entries)}).parts


def test_a_rate_is_better_when_more_and_a_cost_when_less() -> None:
    (ways,) = parts(
        entry("other", 0, jobs_per_s=50.0, server_us=20.0), entry("redisq", 0, jobs_per_s=100.0, server_us=5.0)
    ).values()
    other, ours = ways
    assert [way.name for way in tables.sort(ways, "jobs_per_s")] == ["redisq", "other"]
    assert [way.name for way in tables.sort(ways, "server_us")] == ["redisq", "other"]
    assert tables.ahead(ours, other, "jobs_per_s") == 2.0
    assert tables.ahead(ours, other, "server_us") == 4.0


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """Not of the medians: the second round was one of a busy machine, for both."""
    (ways,) = parts(
        *(entry("redisq", number, jobs_per_s=value) for number, value in enumerate((100.0, 10.0, 90.0))),
        *(entry("other", number, jobs_per_s=value) for number, value in enumerate((50.0, 5.0, 9.0))),
    ).values()
    assert tables.ahead(ways[0], ways[1], "jobs_per_s") == 2.0


def test_what_was_measured_in_other_rounds_is_compared_by_its_median() -> None:
    (ways,) = parts(entry("redisq", 0, jobs_per_s=100.0), entry("other", 1, jobs_per_s=25.0)).values()
    assert tables.ahead(ways[0], ways[1], "jobs_per_s") == 4.0


def test_the_safest_is_held_against_the_safest() -> None:
    (ways,) = parts(
        entry("redisq", 0, "fastest", jobs_per_s=100.0),
        entry("redisq", 0, "safest", jobs_per_s=60.0),
        entry("other", 0, "safest", jobs_per_s=20.0),
        entry("third", 0, "default", jobs_per_s=20.0),
    ).values()
    lines = tables.compared(ways, "jobs_per_s")
    assert [line.split()[-2:] for line in lines if line.startswith("other")] == [["3.00", "x"]]
    assert [line.split()[-2:] for line in lines if line.startswith("third")] == [["5.00", "x"]]


def test_what_is_no_number_is_left_out() -> None:
    (ways,) = parts(
        entry("redisq", 0, jobs_per_s=100.0),
        entry("other", 0, jobs_per_s=None),
        entry("other", 1, jobs_per_s=True, why="it fell over"),
        entry("third", 0, jobs_per_s="none"),
        entry("third", 1, jobs_per_s=3),
    ).values()
    assert [(way.name, way.figures) for way in ways] == [
        ("redisq", {"jobs_per_s": {0: 100.0}}),
        ("third", {"jobs_per_s": {1: 3}}),
    ]


def test_columns_of_a_table_are_aligned_and_no_first_cell_is_empty() -> None:
    lines = tables.table([["", "jobs/s"], ["redisq", "38,685"], ["a longer name", "1"]])
    assert lines == [
        "=============  ======",
        "\\              jobs/s",
        "=============  ======",
        "redisq         38,685",
        "a longer name       1",
        "=============  ======",
        "",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.123, "0.12"), (9.999, "10.00"), (12.34, "12.3"), (38684.7, "38,685")]
)
def test_a_figure_is_shown_to_what_means_something(value: float, text: str) -> None:
    assert tables.shown(value) == text


def test_the_results_that_are_kept_can_be_read() -> None:
    kept = tables.read(BENCHMARKS / "results")
    assert "drain-1" in kept
    for name, result in kept.items():
        assert json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())["benchmark"]
        assert all(way.figures for ways in result.parts.values() for way in ways), name


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = f"Before.\n\n{tables.BEGIN}\n\nold\n\n{tables.END}\n\nAfter.\n"
    once = tables.put_in(page, ["new", "lines", ""])
    assert once == f"Before.\n\n{tables.BEGIN}\n\nnew\nlines\n\n{tables.END}\n\nAfter.\n"
    assert tables.put_in(once, ["new", "lines"]) == once


@pytest.mark.parametrize("page", ["", f"{tables.BEGIN}\n", f"{tables.END}\n"])
def test_a_page_without_both_marks_is_refused(page: str) -> None:
    with pytest.raises(SystemExit, match="no lines"):
        tables.put_in(page, ["new"])


def test_what_others_wrote_is_no_markup() -> None:
    text = "poll_delay_ 10 ms, *args|`x`\\\nand more"
    assert tables.escaped(text) == r"poll\_delay\_ 10 ms, \*args\|\`x\`\\ and more"
