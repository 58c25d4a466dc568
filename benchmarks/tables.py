"""Results as text: what benchmarks/results/ holds, read, compared and written as tables in reStructuredText."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

OWN = "redisq"
#: The marks of a page, between which its figures stand.
BEGIN = ".. figures: begin. What follows is written by benchmarks/page.py"
END = ".. figures: end"
#: How the name of a figure ends of which less is better.
COSTS = ("_us", "_ms", "_mb", " us", "us/job", "bytes", "seconds", "_s_lost")


class Way(NamedTuple):
    """What was measured under one name. `figures`: by name, the values by round. `rank`: safest, fastest or default."""

    name: str
    figures: dict[str, dict[int, float]]
    own: bool
    rank: str = ""
    note: str = ""

    def median(self, figure: str) -> float:
        return statistics.median(self.figures[figure].values())

    @property
    def full_name(self) -> str:
        return f"{self.name}, {self.rank}" if self.rank else self.name

    @property
    def rounds(self) -> int:
        return max(len(values) for values in self.figures.values())


class Result(NamedTuple):
    """One file. `parts` are what can be compared: by workload, or one without a name. `about`: where it was run."""

    name: str
    parts: dict[str, list[Way]]
    about: dict[str, Any]


def read(folder: Path) -> dict[str, Result]:
    """All results, by the names of their files."""
    return {file.stem: parse(file.stem, json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))}


def parse(name: str, data: dict[str, Any]) -> Result:
    """Either form: of runs.py, or of the comparison with others, whose rounds are a list of what each did."""
    rounds = data["rounds"]
    about = {key: value for key, value in data.items() if key not in ("rounds", "medians")}
    if isinstance(rounds, list):
        return Result(name, _parts(rounds), about)
    ways = [
        Way(way, _by_round(enumerate(figures)), way.startswith(OWN) or name in UNRIVALLED)
        for way, figures in rounds.items()
    ]
    return Result(name, {"": ways}, about)


#: Of redisq alone.
UNRIVALLED = ("curves", "soak", "footprint", "saturation")


def _parts(entries: Sequence[dict[str, Any]]) -> dict[str, list[Way]]:
    grouped: dict[str, dict[tuple[str, str, str], list[dict[str, Any]]]] = {}
    for entry in entries:
        key = entry["peer"], entry.get("variant") or "", entry.get("settings") or ""
        grouped.setdefault(entry["workload"], {}).setdefault(key, []).append(entry)
    parts: dict[str, list[Way]] = {}
    for workload, groups in grouped.items():
        for (peer, variant, rank), group in groups.items():
            figures = _by_round((entry.get("round", index), entry["figures"]) for index, entry in enumerate(group))
            if figures:
                name = " ".join(filter(None, (peer, variant)))
                way = Way(name, figures, peer == OWN, rank, group[0].get("note") or "")
                parts.setdefault(workload, []).append(way)
    return parts


def _by_round(rounds: Iterable[tuple[int, dict[str, Any]]]) -> dict[str, dict[int, float]]:
    """Only numbers: a figure may be missing, or say why it is."""
    figures: dict[str, dict[int, float]] = {}
    for number, values in rounds:
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                figures.setdefault(name, {})[number] = value
    return figures


def is_cost(figure: str) -> bool:
    return figure.endswith(COSTS)


def sort(ways: Sequence[Way], figure: str) -> list[Way]:
    """The best first; only those that have the figure."""
    return sorted(
        (way for way in ways if figure in way.figures), key=lambda way: way.median(figure), reverse=not is_cost(figure)
    )


def rival(ways: Sequence[Way], other: Way, figure: str) -> Way | None:
    """Which of ours to hold against another: the best of the same rank; of any, if none has it."""
    own = [way for way in sort(ways, figure) if way.own]
    return next((way for way in own if way.rank == other.rank), own[0] if own else None)


def ahead(ours: Way, other: Way, figure: str) -> float:
    """How many times better ours is: the median of the ratios within a round; of the medians if no round has both."""
    mine, theirs = ours.figures[figure], other.figures[figure]
    pairs = [(mine[number], theirs[number]) for number in mine.keys() & theirs.keys()]
    pairs = pairs or [(ours.median(figure), other.median(figure))]
    if is_cost(figure):
        pairs = [(there, here) for here, there in pairs]
    return statistics.median(here / there if there else float("inf") for here, there in pairs)


def compared(ways: Sequence[Way], figure: str) -> list[str]:
    """A table: all figures, the best first, and by how much redisq is ahead in this one."""
    names = list(dict.fromkeys(name for way in ways for name in way.figures))
    ranked = any(way.rank for way in ways)
    rows = [["", *(["settings"] if ranked else []), *map(title, names), "rounds", f"{OWN} ahead"]]
    missing = [way for way in ways if figure not in way.figures]
    for way in [*sort(ways, figure), *missing]:
        ours = rival(ways, way, figure) if not way.own and figure in way.figures else None
        rows.append(
            [
                f"**{escaped(way.name)}**" if way.own else escaped(way.name),
                *([way.rank or "-"] if ranked else []),
                *(shown(way.median(name)) if name in way.figures else "-" for name in names),
                str(way.rounds),
                f"{shown(ahead(ours, way, figure))} x" if ours else "-",
            ]
        )
    return table(rows, left=2 if ranked else 1)


def listed(ways: Sequence[Way], names: Sequence[str] = ()) -> list[str]:
    """A table of these figures, or of all, in the order in which they were measured."""
    names = list(names) or list(dict.fromkeys(name for way in ways for name in way.figures))
    rows = [["", *map(title, names)]]
    for way in ways:
        rows.append([escaped(way.name), *(shown(way.median(name)) if name in way.figures else "-" for name in names)])
    return table(rows)


def title(figure: str) -> str:
    """A figure's name for people."""
    return TITLES.get(figure, figure.replace("_", " "))


TITLES = {
    "jobs_per_s": "jobs/s",
    "per_s": "per second",
    "client_us": "client us/job",
    "server_us": "server us/job",
    "tasks_per_s": "tasks/s",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "web_ms": "web, ms of CPU",
    "workers_ms": "workers, ms of CPU",
    "server_ms": "Redis, ms of CPU",
    "web_pss_mb": "web, MB",
    "workers_pss_mb": "workers, MB",
    "server_pss_mb": "Redis, MB",
    "p50_us": "p50, us",
    "p99_us": "p99, us",
    "rss_mb": "RSS, MB",
    "pss_mb": "PSS, MB",
    "import_ms": "import, ms",
    "bytes": "bytes/job",
    "enqueue_jobs_per_s": "enqueued/s",
    "enqueue_client_us": "enqueue, client us",
    "enqueue_server_us": "enqueue, server us",
    "schedule_jobs_per_s": "scheduled/s",
    "schedule_client_us": "schedule, client us",
    "schedule_server_us": "schedule, server us",
    "idle_server_ms_per_s": "server idle, ms/s",
    "start_p50_us": "enqueue to start p50, us",
    "server_share": "server, cores",
    "server_mb": "server, MB",
    "record_bytes": "bytes/record",
    "supervisor_rss_mb": "supervisor RSS, MB",
    "supervisor_pss_mb": "supervisor PSS, MB",
    "child_rss_mb": "child RSS, MB",
    "child_pss_mb": "child PSS, MB",
}


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A simple table; the first row is its head. So many columns are words, the others are numbers."""
    cells = [[row[0] or "\\", *row[1:]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "  ".join("=" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return [rule, line(cells[0]), rule, *map(line, cells[1:]), rule, ""]


def escaped(text: str) -> str:
    """What others wrote, so that it stands on the page as it is."""
    return re.sub(r"([\\*`|_])", r"\\\1", " ".join(text.split()))


def shown(value: float) -> str:
    """Three figures that mean something."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def put_in(page: str, lines: Sequence[str]) -> str:
    """The page with these lines between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the page has no lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n" + "\n".join(lines).rstrip() + f"\n\n{END}{after}"
