"""What the timed benchmarks share: options, rounds, the table that is printed and the file that keeps it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import redis

RESULTS = Path(__file__).parent / "results"

Figures = dict[str, float]


def options(description: str | None, jobs: int, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=jobs, help=f"jobs in a round (default: {jobs})")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default: {rounds}")
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey", help="default: valkey, of the wheel")
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results/")
    return parser


class Run:
    """Figures by way and round. The ways take turns in each round, since other work on the machine comes and goes."""

    def __init__(self, args: argparse.Namespace, version: str) -> None:
        self.args = args
        self.version = version
        self.load: list[float] = []
        self.notes: dict[str, float] = {}
        self.rounds: dict[str, list[Figures]] = {}

    def take_turns(self, ways: dict[str, Callable[[], Figures]]) -> None:
        for _ in range(self.args.rounds):
            self.load.append(round(os.getloadavg()[0], 2))
            for name, way in ways.items():
                self.rounds.setdefault(name, []).append(way())
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)

    def median(self, name: str, figure: str) -> float:
        return statistics.median(self._values(name, figure))

    def ratio(self, name: str, other: str, figure: str) -> float:
        """The median over the rounds of one way's figure by another's in the same round."""
        pairs = zip(self._values(name, figure), self._values(other, figure), strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def show(self, figure: str, name: str) -> None:
        """Medians of all figures, and the ratio of `name` to each way in one of them."""
        names = list(dict.fromkeys(key for rounds in self.rounds.values() for key in rounds[0]))
        print(f"{self.version}, {machine()}, load {min(self.load)} to {max(self.load)}, {len(self.load)} rounds")
        for note, value in self.notes.items():
            print(f"{note}: {value:g}")
        heads = [*names, "range", "ratio"]
        widths = [max(19, len(head) + 2) for head in heads]
        print(f"{'medians':34}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
        for way, rounds in self.rounds.items():
            medians = [_shown(self.median(way, key)) if key in rounds[0] else "" for key in names]
            values = self._values(way, figure)
            cells = [*medians, f"{_shown(min(values))}-{_shown(max(values))}", f"{self.ratio(name, way, figure):.2f}"]
            print(f"{way:34}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))

    def save(self, benchmark: str) -> None:
        items = self.rounds.items()
        data = {
            "benchmark": benchmark,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": machine(),
            "server": self.version,
            "redis-py": redis.__version__,
            "python": platform.python_version(),
            "jobs": self.args.jobs,
            "load at each round's start": self.load,
            **self.notes,
            "medians": {way: {key: round(self.median(way, key), 3) for key in rounds[0]} for way, rounds in items},
            "rounds": {way: [_rounded(figures) for figures in rounds] for way, rounds in items},
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{benchmark}.json").write_text(json.dumps(data, indent=1) + "\n")

    def _values(self, name: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self.rounds[name]]


def machine() -> str:
    """In general terms."""
    return f"{os.cpu_count()} cores{_virtual()}, {platform.machine()}, {platform.system()}"


def _virtual() -> str:
    file = Path("/proc/cpuinfo")
    return " (virtual)" if file.exists() and " hypervisor" in file.read_text() else ""


def commit() -> str:
    """The checkout's, with a + if the library was changed since."""
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--", "../redisq") else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _rounded(figures: Figures) -> Figures:
    return {name: round(value, 3) for name, value in figures.items()}


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
