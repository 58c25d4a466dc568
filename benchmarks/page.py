"""The page of figures: what benchmarks/results/ holds, as tables and plots in docs/performance.rst.

Only what stands between the page's two marks is written; the rest of it is by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import plots
from plots import Line, Panel
from runs import RESULTS
from tables import Result, Way, compared, escaped, is_cost, listed, put_in, read, shown, sort, table, title

DOCS = RESULTS.parent.parent / "docs"

#: What is drawn and compared of each workload of the comparison with others, and what it is.
WORKLOADS = {
    "drain": (
        "jobs_per_s",
        "Draining no-op jobs",
        "Jobs a second with one worker, from a queue that was filled before.",
    ),
    "enqueue": ("per_s", "Enqueueing one by one", "Jobs a second, each acknowledged before the next is sent."),
    "bulk": ("per_s", "Enqueueing in bulk", "Jobs a second by the fastest way that the library has for many jobs."),
    "latency": ("p50_us", "From enqueue to start", "Microseconds to an idle worker, at the median."),
    "results": ("per_s", "Enqueue, run, and wait for the result", "A second, one after the other."),
    "memory": ("bytes", "Memory of a waiting job", "Bytes in the server for each."),
    "footprint": ("rss_mb", "Memory of an idle worker", "Megabytes of all its processes."),
    "limits": ("per_s", "Limits of the machine", "What bare clients do: nothing on this machine can do better."),
    "post": ("per_s", "POST of a task", "Requests a second over 8 connections; no worker runs."),
    "post while workers run": ("per_s", "POST of a task while a worker runs", "Requests a second over 8 connections."),
    "post 100": ("tasks_per_s", "POST of 100 tasks", "Tasks a second, 100 in each request over one connection."),
    "status": ("per_s", "GET of a status", "Requests a second over 8 connections, for a task that has ended."),
    "list": ("per_s", "GET of the newest 20 tasks", "Requests a second over 8 connections; there are 10,000 and more."),
    "result": (
        "p50_ms",
        "From a POST to its result",
        "Milliseconds at the median, one task after the other: asked for every 5 ms, or with ``?wait``.",
    ),
    "memory of the service": (
        "pss_mb",
        "Memory of the service",
        "Megabytes of all processes after load, without Redis: what they share counts once.",
    ),
}


class Beside(NamedTuple):
    """Ours beside bare clients: the file, what is compared, and the ends of the names of those that belong together."""

    name: str
    figure: str
    heading: str
    ends: tuple[str, ...] = ("",)


BESIDE = (
    Beside("drain-1", "jobs/s", "One worker process"),
    Beside("drain-2", "jobs/s", "A worker of two processes"),
    Beside("drain-1-200us", "jobs/s", "With 200 us more to the server and back"),
    Beside("enqueue", "jobs/s", "Enqueueing one by one", ("one by one",)),
    Beside("enqueue", "jobs/s", "Enqueueing in bulk", ("in bulk", "pipelines of 250")),
    Beside("latency", "start p50 us", "Latency to an idle worker"),
)

#: By curve: what x is, and the panels: a heading, and the figures in it with their names.
CURVES = {
    "jobs waiting": (
        "jobs waiting behind those that are run",
        (
            ("jobs/s", {"jobs_per_s": "drain"}),
            ("server, us per job", {"server_us": "claim and settle", "enqueue_server_us": "enqueue"}),
        ),
    ),
    "idle workers": (
        "idle workers beside the one that runs jobs",
        (
            ("jobs/s", {"jobs_per_s": "drain"}),
            ("idle server, ms of CPU a second", {"idle_server_ms_per_s": "idle"}),
        ),
    ),
    "queues of a worker": (
        "queues of the worker, of which the last has jobs",
        (
            ("jobs/s", {"jobs_per_s": "drain"}),
            ("enqueue to start, us (p50)", {"start_p50_us": "start"}),
        ),
    ),
    "jobs scheduled": (
        "jobs scheduled for tomorrow",
        (
            ("jobs/s", {"jobs_per_s": "drain"}),
            (
                "server, us per job",
                {"server_us": "claim and settle", "schedule_server_us": "schedule", "enqueue_server_us": "enqueue"},
            ),
        ),
    ),
}


class Page:
    """Collects lines, and draws beside it what they show. `kind` is svg, or png to look at."""

    def __init__(self, results: dict[str, Result], plots_folder: Path, kind: str = "svg") -> None:
        self.results = results
        self.folder = plots_folder
        self.kind = kind
        self.text: list[str] = []

    def write(self) -> list[str]:
        self._machines()
        for name, heading in (
            ("peers", "Beside other libraries"),
            ("peers-crash", "When a worker is killed"),
            ("web", "The REST service beside others"),
        ):
            if name in self.results:
                self._peers(name, heading)
        beside = [each for each in BESIDE if each.name in self.results]
        if beside:
            self._head("Beside bare clients of Redis")
        for number, each in enumerate(beside, 1):
            self._beside(each, f"beside-{number}-{each.name}")
        if "costs" in self.results:
            self._costs()
        if "curves" in self.results:
            self._curves()
        if "saturation" in self.results:
            self._saturation()
        if "soak" in self.results:
            self._soak()
        if "footprint" in self.results:
            self._head("What a worker takes")
            self.text += listed(self.results["footprint"].parts[""])
        return self.text

    # What there can be

    def _machines(self) -> None:
        self._head("Where and when")
        rows = [["result", "machine", "server", "python", "redis-py", "commit", "day", "load", "rounds"]]
        for name, result in self.results.items():
            about, ways = result.about, [way for part in result.parts.values() for way in part]
            load = about.get("load at each round's start") or []
            rows.append(
                [
                    name,
                    *(str(about.get(key, "-")) for key in ("machine", "server", "python", "redis-py", "commit")),
                    str(about.get("when", "-"))[:10],
                    f"{min(load):g} to {max(load):g}" if load else "-",
                    str(max((way.rounds for way in ways), default=0)),
                ]
            )
        self.text += table(rows, left=6)

    def _peers(self, name: str, heading: str) -> None:
        result = self.results[name]
        self._head(heading)
        if versions := result.about.get("versions"):
            self._say(
                "Versions: " + ", ".join(escaped(f"{peer} {_version(value)}") for peer, value in versions.items()) + "."
            )
        for workload, ways in result.parts.items():
            if workload not in WORKLOADS:
                self._head(workload.capitalize(), "~")
                self.text += listed([way._replace(name=way.full_name) for way in ways])
                continue
            figure, head, what = WORKLOADS[workload]
            self._head(head, "~")
            self._say(what)
            self._bars(f"{name}-{workload}".replace(" ", "-"), f"{head}, {title(figure)}", ways, figure)
            self.text += compared(ways, figure)
        self._notes([way for ways in result.parts.values() for way in ways])

    def _beside(self, beside: Beside, image: str) -> None:
        _, figure, heading, ends = beside
        ways = [way for way in self.results[beside.name].parts[""] if way.name.endswith(ends)]
        self._head(heading, "~")
        self._bars(image, f"{heading}, {title(figure)}", ways, figure)
        self.text += compared(ways, figure)

    def _costs(self) -> None:
        self._head("Where a job's time goes")
        self._say(
            "Microseconds of processor time, in calls for 250 jobs, without sockets and the kernel. A command of a"
            " script is measured alone, from Lua; the rest of the script is what is left. The floor is a bare command"
            " in a pipeline, which moves an item and keeps no record."
        )
        self.text += listed(self.results["costs"].parts[""])

    def _curves(self) -> None:
        self._head("How cost grows")
        points: dict[str, list[tuple[int, Way]]] = {}
        for way in self.results["curves"].parts[""]:
            curve, _, x = way.name.rpartition(": ")
            points.setdefault(curve, []).append((int(x), way))
        for curve, (x_title, panels) in CURVES.items():
            if curve not in points:
                continue
            self._head(curve.capitalize(), "~")
            drawn = [
                Panel(head, [Line(label, _points(points[curve], figure)) for figure, label in figures.items()])
                for head, figures in panels
            ]
            file = self._image(f"curve-{curve.replace(' ', '-')}", f"{curve}: what a job costs")
            plots.lines(file, x_title, drawn)
            self.text += listed([way._replace(name=f"{x:,}") for x, way in points[curve]])

    def _saturation(self) -> None:
        self._head("Where the server ends")
        ways = self.results["saturation"].parts[""]
        drains = [way for way in ways if " x " in way.name]
        self._say(
            "Workers x children of each. ``server, cores`` near 1 says that the server is the bound. The steps are"
            " measured with one client: 250 jobs in a call are enqueued, 100 claimed or settled."
        )
        best = sort(drains, "jobs_per_s")[0]
        rows = [(way.name, way.median("jobs_per_s"), _with_share(way), way is best) for way in drains]
        plots.bars(self._image("saturation", "jobs a second by workers"), "jobs/s, and cores of the server", rows)
        self.text += listed(drains)
        self.text += listed([way for way in ways if way not in drains])

    def _soak(self) -> None:
        self._head("Memory over time")
        (soak,) = self.results["soak"].parts[""]
        samples = [{name: values[number] for name, values in soak.figures.items()} for number in soak.figures["jobs"]]

        def line(label: str, figure: str) -> Line:
            return Line(label, [(sample["jobs"], [sample[figure]]) for sample in samples])

        panels = [
            Panel("worker, MB (RSS)", [line("supervisor", "supervisor_rss_mb"), line("child", "child_rss_mb")]),
            Panel("server, MB", [line("server", "server_mb")]),
            Panel("jobs/s", [line("enqueued and run", "jobs_per_s")]),
        ]
        plots.lines(self._image("soak", "memory by jobs that were run"), "jobs run", panels, logarithmic=False)
        rows = [[title(name) for name in soak.figures]]
        rows += [[shown(value) for value in samples[index].values()] for index in _tenths(len(samples))]
        self.text += table(rows, left=0)

    # How they are written

    def _bars(self, name: str, head: str, ways: Sequence[Way], figure: str) -> None:
        rows = [(way.full_name, way.median(figure), shown(way.median(figure)), way.own) for way in sort(ways, figure)]
        if len(rows) > 1:
            plots.bars(self._image(name, head), head + ("; less is better" if is_cost(figure) else ""), rows)

    def _notes(self, ways: Sequence[Way]) -> None:
        """How each was set up, said once."""
        notes = {(way.full_name, way.note): None for way in ways if way.note}
        if notes:
            self._head("How each was set up", "~")
            self.text += [*(f"* {escaped(name)}: {escaped(note)}" for name, note in notes), ""]

    def _image(self, name: str, alt: str) -> Path:
        file = self.folder / f"{name}.{self.kind}"
        self.text += [f".. image:: {self.folder.name}/{file.name}", f"   :alt: {alt}", ""]
        return file

    def _head(self, text: str, line: str = "-") -> None:
        self.text += [text, line * len(text), ""]

    def _say(self, text: str) -> None:
        if text:
            self.text += [text, ""]


def _points(points: Sequence[tuple[int, Way]], figure: str) -> list[tuple[float, list[float]]]:
    return [(x, list(way.figures[figure].values())) for x, way in points if figure in way.figures]


def _with_share(way: Way) -> str:
    return f"{shown(way.median('jobs_per_s'))}   {way.median('server_share'):.2f} cores"


def _version(value: object) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _tenths(count: int) -> Iterator[int]:
    yield from sorted({round(tenth * (count - 1) / 10) for tenth in range(11)})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: benchmarks/results")
    parser.add_argument("--page", type=Path, default=DOCS / "performance.rst", help="default: docs/performance.rst")
    parser.add_argument("--png", action="store_true", help="draw as PNG, to look at")
    args = parser.parse_args()
    page = args.page.read_text()
    lines = Page(read(args.results), args.page.with_suffix(""), "png" if args.png else "svg").write()
    args.page.write_text(put_in(page, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
