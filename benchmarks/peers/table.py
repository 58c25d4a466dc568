"""The medians of a run as text: `python benchmarks/peers/table.py [FILE]`."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "results" / "peers.json"


def show(data: dict[str, Any]) -> str:
    """A table for each workload: a line for each variant, the best of the first figure first."""
    lines = [f"{data['server']}, Python {data['python']}, {data['machine']}, {data['commit']}, {data['when']}"]
    rows = data["rounds"]
    loads, shares = [row["load"] for row in rows], [row["foreign"] for row in rows]
    if rows:
        lines.append(f"load {min(loads)} to {max(loads)}, others' share {min(shares):.0%} to {max(shares):.0%}")
    for workload in dict.fromkeys(row["workload"] for row in rows):
        lines += ["", *_table(workload, [row for row in rows if row["workload"] == workload])]
    for row in data["failed"]:
        lines.append(f"FAILED: {row['peer']}/{row['variant']} {row['workload']}, round {row['round']}: {row['error']}")
    return "\n".join(lines)


def _table(workload: str, rows: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    variants: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        variants.setdefault((row["peer"], row["variant"] or row["settings"]), []).append(row)
    lines = []
    for (peer, variant), own in variants.items():
        values = [[row["figures"][name] for row in own if name in row["figures"]] for name in names]
        medians = [statistics.median(column) if column else None for column in values]
        spread = f"{_number(min(values[0]))}-{_number(max(values[0]))}"
        cells = "".join(f"{_number(median):>12}" for median in medians)
        line = f"{peer + ' ' + variant:24}{cells}{spread:>20}{len(own):>4}  {own[0]['note']}"
        lines.append((medians[0] or 0.0, line))
    lines.sort(key=lambda pair: pair[0], reverse=names[0].endswith("per_s"))
    head = "".join(f"{name:>12}" for name in names)
    return [f"{workload:24}{head}{'range of the first':>20}{'n':>4}", *(line for _, line in lines)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    print(show(json.loads(file.read_text())))
