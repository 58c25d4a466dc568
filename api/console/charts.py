"""Charts of what changes with time, as SVG made here.

A chart is a figure: a heading that names each series with its last value, the drawing, and a table of the same for who
cannot see it. Nothing in it has a style of its own, which the console's policy forbids: lines are `currentColor`, and
each series is in a class `series-1`, `series-2` … whose colour the style sheet sets for light and dark. Without a style
sheet it can be read, too: series differ by their dashes. The time axis tells how long ago something was, which is true
in every time zone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from .. import clock

Kind = Literal["line", "area", "bar"]
Unit = Literal["count", "rate", "seconds"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 22
_TICKS = 4  # at most so many steps of the axis of values
_PERIODS = 4  # the axis of time, likewise
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Steps of time that people count in, seconds.
_STEPS = (1, 2, 5, 10, 15, 30, *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)), *(n * _HOUR for n in (1, 2, 4, 6, 12)))


@dataclass(frozen=True, slots=True)
class Series:
    """Values at times (microseconds since the epoch), in order; None, or no point at all, where nothing is known."""

    name: str
    points: Sequence[tuple[int, float | None]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn from `start` to `end`, with a value each `step` (all in microseconds).

    `key` is the chart's id in the page. Values are not negative; `seconds` are durations, of `count` the axis has whole
    numbers only. Bars are for one series: several would cover each other.
    """

    key: str
    title: str
    series: Sequence[Series]
    start: int
    end: int
    step: int
    kind: Kind = "line"
    unit: Unit = "count"
    width: int = 360
    height: int = 160

    def html(self) -> Markup:
        """The figure."""
        return Markup(
            '<figure class="chart" aria-labelledby="{key}-title"><figcaption><span id="{key}-title">{title}</span>'
            "{legend}</figcaption>{drawing}{table}</figure>"
        ).format(key=self.key, title=self.title, legend=_legend(self), drawing=_drawing(self), table=_table(self))


def _legend(chart: Chart) -> Markup:
    swatch = Markup(
        '<svg class="swatch" width="18" height="8" viewBox="0 0 18 8" aria-hidden="true"><path d="M1 4H17" fill="none"'
        ' stroke="currentColor" stroke-width="2"{dash}/></svg>'
    )
    entry = Markup('<span class="series series-{number}">{swatch}{name} <b>{last}</b></span>')
    return _join(
        entry.format(
            number=number,
            swatch=swatch.format(dash=_dash(number)),
            name=series.name,
            last=_shown(_last(series), chart.unit),
        )
        for number, series in enumerate(chart.series, start=1)
    )


def _drawing(chart: Chart) -> Markup:
    ticks = value_ticks(max(_values(chart), default=0.0), chart.unit)
    right, bottom = chart.width - _RIGHT, chart.height - _BOTTOM
    span = max(1, chart.end - chart.start)

    def place(at: int, value: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, value / ticks[-1]))
        return (
            _LEFT + (right - _LEFT) * (at - chart.start) / span,
            bottom - (bottom - _TOP) * share,
        )

    return Markup(
        '<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' aria-labelledby="{key}-name {key}-desc"><title id="{key}-name">{title}</title>'
        '<desc id="{key}-desc">{text}</desc>{axes}{lines}</svg>'
    ).format(
        width=chart.width,
        height=chart.height,
        key=chart.key,
        title=chart.title,
        text=_description(chart),
        axes=_axes(chart, ticks, place),
        lines=_join(_series(chart, number, place) for number in range(1, len(chart.series) + 1)),
    )


_Place = Callable[[int, float], tuple[float, float]]


def _axes(chart: Chart, ticks: Sequence[float], place: _Place) -> Markup:
    line = Markup('<path class="{name}" d="{d}" fill="none" stroke="currentColor" stroke-opacity="{opacity}"/>')
    label = Markup('<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>')
    right, bottom = chart.width - _RIGHT, chart.height - _BOTTOM
    pieces = []
    for tick in ticks:
        y = place(chart.start, tick)[1]
        name, opacity = ("grid", "0.13") if tick else ("axis", "0.5")
        pieces.append(line.format(name=name, d=f"M{_LEFT} {y:.1f}H{right}", opacity=opacity))
        pieces.append(label.format(x=_LEFT - 6, y=f"{y + 3.5:.1f}", anchor="end", text=_shown(tick, chart.unit)))
    for moment in time_ticks(chart.start, chart.end):
        x = place(moment, 0.0)[0]
        text = _ago(chart.end - moment)
        half = 3.5 * len(text)  # about, at this size of letters
        anchor = "end" if x + half > chart.width else "start" if x < half else "middle"
        pieces.append(line.format(name="axis", d=f"M{x:.1f} {bottom}v4", opacity="0.5"))
        x = {"start": 1.0, "middle": x, "end": chart.width - 1.0}[anchor]
        pieces.append(label.format(x=f"{x:.1f}", y=chart.height - 5, anchor=anchor, text=text))
    return Markup('<g class="axes" font-size="11" fill="currentColor">{}</g>').format(_join(pieces))


def _series(chart: Chart, number: int, place: _Place) -> Markup:
    stretches = list(_stretches(chart, chart.series[number - 1]))
    if chart.kind == "bar":
        shapes = Markup('<path d="{}" fill="currentColor"/>').format(_bars(chart, stretches, place))
    else:
        placed = [[place(*point) for point in stretch] for stretch in stretches]
        shapes = Markup(
            '<path d="{d}" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linejoin="round"'
            ' stroke-linecap="round"{dash}/>'
        ).format(d="".join(map(_line, placed)), dash=_dash(number))
        if chart.kind == "area":
            floor = chart.height - _BOTTOM
            d = "".join(f"{_line(line)}V{floor}H{line[0][0]:.1f}Z" for line in placed)
            shapes = Markup('<path d="{}" fill="currentColor" fill-opacity="0.16"/>').format(d) + shapes
    return Markup('<g class="series series-{}">{}</g>').format(number, shapes)


def _line(points: Sequence[tuple[float, float]]) -> str:
    """A path through points; one alone is a dot, since the ends of lines are round."""
    (x, y), *others = points
    return f"M{x:.1f} {y:.1f}" + ("L" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others) if others else "h0")


def _bars(chart: Chart, stretches: Iterable[Sequence[tuple[int, float]]], place: _Place) -> str:
    """Bars that end at their times, with a little room between them, as long as there is some."""
    slot = place(chart.start + chart.step, 0.0)[0] - _LEFT
    width = max(slot - 1.0, 0.8 * slot)
    floor = chart.height - _BOTTOM
    bars = (place(at, value) for stretch in stretches for at, value in stretch if value > 0)
    return "".join(f"M{max(_LEFT, x - width):.2f} {floor}V{y:.1f}H{x:.2f}V{floor}Z" for x, y in bars)


def _stretches(chart: Chart, series: Series) -> Iterable[list[tuple[int, float]]]:
    """The parts of a series between its gaps: a value is missing, or points are more than a step and a half apart."""
    stretch: list[tuple[int, float]] = []
    for at, value in series.points:
        if not chart.start <= at <= chart.end:
            continue
        if stretch and (not _known(value) or at - stretch[-1][0] > 1.5 * chart.step):
            yield stretch
            stretch = []
        if value is not None and _known(value):
            stretch.append((at, value))
    if stretch:
        yield stretch


def _table(chart: Chart) -> Markup:
    """The mean of each period of the time axis: what can be read aloud, and not hundreds of rows."""
    ticks = time_ticks(chart.start, chart.end)
    row = Markup('<tr><th scope="row"><time datetime="{iso}">{clock}</time></th>{cells}</tr>')
    rows = [
        row.format(
            iso=clock.rfc3339(end),
            clock=f"{datetime.fromtimestamp(end // clock.SECOND, UTC):%d %b, %H:%M} UTC",
            cells=_join(
                Markup("<td>{}</td>").format(_shown(_mean(series, begin, end), chart.unit)) for series in chart.series
            ),
        )
        for begin, end in pairwise(ticks)
    ]
    period = _duration((ticks[1] - ticks[0]) / clock.SECOND) if len(ticks) > 1 else ""
    return Markup(
        "<details><summary>As a table</summary><table><caption>{title}: means of {period}</caption>"
        '<thead><tr><th scope="col">Until</th>{names}</tr></thead><tbody>{rows}</tbody></table></details>'
    ).format(
        title=chart.title,
        period=period,
        names=_join(Markup('<th scope="col">{}</th>').format(series.name) for series in chart.series),
        rows=_join(rows),
    )


def _description(chart: Chart) -> str:
    """What a glance would tell."""
    sentences = [f"From {_duration((chart.end - chart.start) / clock.SECOND)} ago until now."]
    for series in chart.series:
        values = [value for _, value in series.points if value is not None and _known(value)]
        if values:
            low, high, last = (_shown(value, chart.unit) for value in (min(values), max(values), _last(series)))
            sentences.append(f"{series.name}: from {low} to {high}, now {last}.")
        else:
            sentences.append(f"{series.name}: nothing is known.")
    return " ".join(sentences)


def value_ticks(highest: float, unit: Unit = "count") -> list[float]:
    """Round values from 0 to one that is not below the highest."""
    wanted = max(highest, 0.0) / _TICKS
    if unit == "seconds" and wanted > 1:
        step: float = _step_of_time(wanted)
    else:
        if unit == "count":
            wanted = max(wanted, 1.0)
        power = 10.0 ** math.floor(math.log10(wanted)) if wanted > 1e-12 else 0.25
        step = next(n * power for n in (1, 2, 5, 10) if n * power >= wanted * (1 - 1e-9))
    count = max(1, math.ceil(highest / step - 1e-9))
    return [step * number for number in range(count + 1)]


def time_ticks(start: int, end: int) -> list[int]:
    """Times (microseconds) from which the end is a round time away, the end among them, in order."""
    step = _step_of_time((end - start) / clock.SECOND / _PERIODS) * clock.SECOND
    return [end - number * step for number in range((end - start) // step, -1, -1)]


def _step_of_time(wanted: float) -> int:
    """Seconds, at least as many as wanted."""
    return next((step for step in _STEPS if step >= wanted), _DAY * max(1, math.ceil(wanted / _DAY)))


def _shown(value: float | None, unit: Unit) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash
    return _duration(value) if unit == "seconds" else _number(value) + ("/s" if unit == "rate" else "")


def _number(value: float) -> str:
    """Three digits that matter, with k for thousands, and so on."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{_digits(value / (1e3 if letter == 'k' else size))}{letter}"
    return _digits(value)


def _duration(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{_digits(seconds * 1000)} ms"
    for size, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.1f} {name}".replace(".0 ", " ")
    return f"{_digits(seconds)} s"


def _digits(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.{1 if value >= 10 else 2}f}".rstrip("0").rstrip(".")


def _ago(micros: int) -> str:
    return f"−{_duration(micros / clock.SECOND)}" if micros else "now"  # noqa: RUF001 - a minus, not a hyphen


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _values(chart: Chart) -> list[float]:
    return [value for series in chart.series for stretch in _stretches(chart, series) for _, value in stretch]


def _last(series: Series) -> float | None:
    value = series.points[-1][1] if series.points else None
    return value if _known(value) else None


def _mean(series: Series, begin: int, end: int) -> float | None:
    values = [value for at, value in series.points if begin < at <= end and value is not None and _known(value)]
    return sum(values) / len(values) if values else None


def _dash(number: int) -> Markup:
    dashes = _DASHES[(number - 1) % len(_DASHES)]
    return Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup("")


def _join(pieces: Iterable[Markup]) -> Markup:
    return Markup("").join(pieces)
