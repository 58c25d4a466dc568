"""Plots as SVG, to be read on a light and on a dark page: no background, and text in a grey that both bear."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

GREY = "#7d8590"
ACCENT = "#e8590c"
MUTED = "#93a8bd"
SECOND = "#2f8f9d"
#: Inches.
WIDTH = 8.0
BAR = 0.27
#: From which ratio of the largest to the smallest a scale is logarithmic.
FAR = 30.0

mpl.use("svg")
mpl.rcParams.update(
    {
        "font.family": ["DejaVu Sans"],
        "font.size": 10,
        "text.color": GREY,
        "axes.edgecolor": GREY,
        "axes.labelcolor": GREY,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlepad": 10,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "svg.fonttype": "path",
        "svg.hashsalt": "redisq",  # the same figures make the same file
    }
)


class Line(NamedTuple):
    """`points`: x, and the values that were measured there."""

    label: str
    points: Sequence[tuple[float, Sequence[float]]]


class Panel(NamedTuple):
    title: str
    lines: Sequence[Line]


def bars(file: Path, title: str, rows: Sequence[tuple[str, float, str, bool]]) -> None:
    """A bar for each (name, value, value as text, whether it stands out), the first on top."""
    values = [value for _, value, _, _ in rows]
    least = min((value for value in values if value > 0), default=1.0)
    logarithmic = max(values) / least > FAR
    figure = Figure(figsize=(WIDTH, BAR * len(rows) + 0.7), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(rows))
    axes.barh(places, values, height=0.68, color=[ACCENT if ours else MUTED for *_, ours in rows])
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(least / 2, max(values) ** 1.02)
    for place, (_, value, text, ours) in zip(places, rows, strict=True):
        axes.annotate(
            text,
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=ACCENT if ours else GREY,
            weight="bold" if ours else "normal",
            annotation_clip=False,
        )
    axes.set_yticks(list(places), [name for name, *_ in rows])
    for label, (*_, ours) in zip(axes.get_yticklabels(), rows, strict=True):
        if ours:
            label.set(color=ACCENT, weight="bold")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.margins(y=0.02)
    figure.suptitle(title + (" (log scale)" if logarithmic else ""), x=0.01, ha="left", weight="bold", size=11)
    save(figure, file)


def lines(file: Path, x_title: str, panels: Sequence[Panel], logarithmic: bool = True) -> None:
    """Panels side by side over one x, each from zero on: medians, and the range of the rounds as a band."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        for line, color in zip(panel.lines, (ACCENT, SECOND, MUTED), strict=False):
            _draw(axes, line, color)
        if len(panel.lines) > 1:
            _name(axes, panel.lines)
        _scale(axes, [x for x, _ in panel.lines[0].points], logarithmic)
        axes.set_title(panel.title)
        axes.set_xlabel(x_title)
    save(figure, file)


def _draw(axes: Axes, line: Line, color: str) -> None:
    xs = [x for x, _ in line.points]
    medians = [statistics.median(values) for _, values in line.points]
    marker = {"marker": "o", "markersize": 4.5} if len(xs) < 20 else {}
    axes.plot(xs, medians, color=color, linewidth=2, **marker)
    low, high = ([f(values) for _, values in line.points] for f in (min, max))
    axes.fill_between(xs, low, high, color=color, alpha=0.2, linewidth=0)


def _name(axes: Axes, lines: Sequence[Line]) -> None:
    """At the right end of each line: above it, but below the lowest, where it is out of the others' way."""
    ends = [(statistics.median(line.points[-1][1]), line) for line in lines]
    lowest = min(end for end, _ in ends)
    for (end, line), color in zip(ends, (ACCENT, SECOND, MUTED), strict=False):
        below = end == lowest
        axes.annotate(
            line.label,
            (line.points[-1][0], end),
            xytext=(0, -8 if below else 7),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=color,
            weight="bold",
            size=9,
        )


def _scale(axes: Axes, xs: Sequence[float], logarithmic: bool) -> None:
    if logarithmic:
        smallest = min(x for x in xs if x > 0) if any(xs) else 1
        if min(xs) == 0:
            axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
        else:
            axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(xs if len(xs) <= 5 else xs[::2])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.7)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)


def short(value: float, _place: Any = None) -> str:
    """1k, 10M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def save(figure: Figure, file: Path) -> None:
    """As SVG; a file of another kind, such as PNG, is to be looked at while one works on this."""
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if file.suffix == ".svg" else None
    background = "none" if file.suffix == ".svg" else "white"
    figure.savefig(file, metadata=metadata, dpi=110, facecolor=background)
