"""Charts: ticks, gaps, what is escaped, and what a policy without inline styles allows."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from redisq_api import clock
from redisq_api.console.charts import Chart, Series, time_ticks, value_ticks

HOUR = 3600 * clock.SECOND
STEP = 10 * clock.SECOND
END = 1_800_000_000 * clock.SECOND
START = END - HOUR


def test_a_chart_is_well_formed_and_names_and_describes_itself() -> None:
    figure = drawn([Series("queued", every_step([3, 7, 5])), Series("scheduled", every_step([1, 1, 1]))])
    drawing = figure.find("svg")
    assert drawing is not None
    assert drawing.get("role") == "img"
    assert drawing.get("aria-labelledby") == "depth-name depth-desc"
    assert drawing.findtext("title") == "Waiting"
    assert drawing.findtext("desc") == (
        "From 1 h ago until now. queued: from 3 to 7, now 5. scheduled: from 1 to 1, now 1."
    )
    assert [series.get("class") for series in drawing.findall("g")] == ["axes", "series series-1", "series series-2"]


def test_no_style_and_no_script_is_in_a_chart_and_names_are_escaped() -> None:
    page = chart([Series('<img src=x onerror="alert(1)">', every_step([1]))], title="</title><script>").html()
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"\sstyle=", page)


def test_where_nothing_is_known_a_line_has_a_gap() -> None:
    assert path_of([4, 4, 4]).count("M") == 1
    assert path_of([4, None, 4]).count("M") == 2
    assert path_of([4, float("nan"), 4]).count("M") == 2
    far = [(END - 5 * STEP, 4.0), (END, 4.0)]
    assert stroke(drawn([Series("s", far)])).count("M") == 2


def test_points_outside_of_the_window_are_not_drawn() -> None:
    assert stroke(drawn([Series("s", [(START - STEP, 1.0), (END + STEP, 1.0)])])) == ""


def test_a_lone_point_is_a_dot() -> None:
    assert path_of([4]).endswith("h0")


def test_the_highest_value_stays_below_the_top_and_zero_is_the_floor() -> None:
    ys = [float(y) for y in re.findall(r"[ML ][\d.]+ ([\d.]+)", path_of([0, 133]))]
    assert ys[0] == 160 - 22
    assert 8 < ys[1] < 30


def test_an_area_has_a_floor_for_each_stretch() -> None:
    series = drawn([Series("s", every_step([4, None, 4]))], kind="area").findall("svg/g")[1]
    fill, line = series.findall("path")
    assert (fill.get("d") or "").count("Z") == 2
    assert line.get("fill") == "none"


def test_a_bar_for_each_value_and_none_for_zero() -> None:
    series = drawn([Series("s", every_step([4, 0, None, 4]))], kind="bar").findall("svg/g")[1]
    assert [(path.get("d") or "").count("Z") for path in series.findall("path")] == [2]


@pytest.mark.parametrize(
    ("highest", "unit", "expected"),
    [
        (0, "count", [0, 1]),
        (1, "count", [0, 1]),
        (3, "count", [0, 1, 2, 3]),
        (133, "count", [0, 50, 100, 150]),
        (40_000, "count", [0, 10_000, 20_000, 30_000, 40_000]),
        (0.03, "rate", [0, 0.01, 0.02, 0.03]),
        (0.9, "seconds", [0, 0.5, 1]),
        (200, "seconds", [0, 60, 120, 180, 240]),
        (7000, "seconds", [0, 1800, 3600, 5400, 7200]),
    ],
)
def test_the_axis_of_values_has_round_numbers(highest: float, unit: str, expected: list[float]) -> None:
    assert value_ticks(highest, unit) == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hours", "minutes"), [(1, 15), (24, 360), (3, 60)])
def test_the_axis_of_time_goes_back_from_now_in_round_steps(hours: int, minutes: int) -> None:
    ticks = time_ticks(END - hours * HOUR, END)
    assert ticks[-1] == END
    assert {later - earlier for earlier, later in pairwise(ticks)} == {minutes * 60 * clock.SECOND}
    assert END - hours * HOUR - ticks[0] < minutes * 60 * clock.SECOND


def test_the_axis_of_time_says_how_long_ago() -> None:
    labels = [text.text for text in drawn([]).findall("svg/g[@class='axes']/text")]
    assert labels == ["0", "1", "−1 h", "−45 min", "−30 min", "−15 min", "now"]  # noqa: RUF001 - a minus


def test_the_table_has_the_mean_of_each_period() -> None:
    quarter = 15 * 60 * clock.SECOND
    points = [(END - quarter, 100.0), (END - 2 * STEP, 2.0), (END - STEP, None), (END, 4.0)]
    table = drawn([Series("latency", points)], unit="seconds").find("details/table")
    assert table is not None
    assert table.findtext("caption") == "Waiting: means of 15 min"
    assert [cell.text for cell in table.findall("tbody/tr/td")] == ["–", "–", "100 s", "3 s"]  # noqa: RUF001
    times = [time.get("datetime") for time in table.findall("tbody/tr/th/time")]
    assert times[-1] == clock.rfc3339(END)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0123, "seconds", "12.3 ms"),
        (0.0, "seconds", "0 s"),
        (59.0, "seconds", "59 s"),
        (60.0, "seconds", "1 min"),
        (159.0, "seconds", "2.6 min"),
        (2.5, "rate", "2.5/s"),
        (12_345, "count", "12.3k"),
        (1_234, "count", "1234"),
        (2_000_000, "count", "2M"),
    ],
)
def test_the_last_value_stands_in_the_heading(value: float, unit: str, shown: str) -> None:
    figure = drawn([Series("s", [(END, value)])], unit=unit)
    assert figure.findtext("figcaption/span[@class='series series-1']/b") == shown


def chart(series: list[Series], title: str = "Waiting", **how: object) -> Chart:
    return Chart("depth", title, series, START, END, STEP, **how)  # type: ignore[arg-type]


def drawn(series: list[Series], **how: object) -> ElementTree.Element:
    return ElementTree.fromstring(chart(series, **how).html())


def every_step(values: list[float | None]) -> list[tuple[int, float | None]]:
    """The last of them now."""
    return [(END - (len(values) - 1 - index) * STEP, value) for index, value in enumerate(values)]


def path_of(values: list[float | None]) -> str:
    return stroke(drawn([Series("s", every_step(values))]))


def stroke(figure: ElementTree.Element) -> str:
    path = figure.find("svg/g[@class='series series-1']/path")
    assert path is not None
    return path.get("d") or ""
