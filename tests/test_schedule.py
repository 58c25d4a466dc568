"""Which ticks a schedule has, also where the clocks change, and which of them are to be enqueued."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import InvalidOption
from redisq.schedule import BATCH, LATE, MOST_MISSED, Cron, Every, Plan, latest, plan

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BERLIN = "Europe/Berlin"
NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def ticks(schedule: Cron | Every, after: str, until: str) -> list[str]:
    """Hours and minutes, UTC."""
    found = latest(schedule, ms(after), ms(until), 10_000)
    return [datetime.fromtimestamp(tick / 1000, UTC).strftime("%H:%M") for tick in found]


def spring(expression: str, tz: str = BERLIN) -> list[str]:
    """Of the night in which 02:00 is followed by 03:00 (01:00 UTC), from 01:00 to 04:00."""
    return ticks(Cron.parse(expression, tz), "2026-03-28T23:59:59+00:00", "2026-03-29T02:00:00+00:00")


def autumn(expression: str) -> list[str]:
    """Of the night in which 03:00 is followed by 02:00 (01:00 UTC), from 01:00 to 04:00."""
    return ticks(Cron.parse(expression, BERLIN), "2026-10-24T22:59:59+00:00", "2026-10-25T03:00:00+00:00")


def test_the_skipped_hour() -> None:
    assert spring("30 2 * * *") == ["01:00"]  # at 03:00, at once
    assert spring("0,30 1-3 * * *") == ["00:00", "00:30", "01:00", "01:30"]  # those of 02:.. and 03:00 are one
    assert spring("*/30 * * * *") == ["00:00", "00:30", "01:00", "01:30", "02:00"]
    assert spring("*/30 2 * * *") == []
    assert spring("0 30 2 * * *") == []  # with seconds: as the clocks show
    assert spring("30 1,2 * * *", "UTC") == ["01:30"]


def test_the_hour_that_comes_twice() -> None:
    assert autumn("30 2 * * *") == ["00:30"]  # the first of the two
    assert autumn("0,30 1-3 * * *") == ["23:00", "23:30", "00:00", "00:30", "02:00", "02:30"]
    assert autumn("*/30 2 * * *") == ["00:00", "00:30", "01:00", "01:30"]
    assert autumn("0 30 2 * * *") == ["00:30", "01:30"]
    assert autumn("0 * * * *") == ["23:00", "00:00", "01:00", "02:00", "03:00"]


def test_working_days_at_nine_of_the_place() -> None:
    nine = Cron.parse("0 9 * * mon-fri", BERLIN)
    found = latest(nine, ms("2026-03-26T00:00:00+00:00"), ms("2026-03-31T00:00:00+00:00"), 100)
    assert found == [ms(f"2026-03-{day}:00:00+00:00") for day in ("26T08", "27T08", "30T07")]


def test_intervals_count_from_1970() -> None:
    assert list(islice(Every.parse(30.0).ticks(NOON), 2)) == [NOON + 30_000, NOON + 60_000]
    assert next(Every.parse(30).ticks(NOON - 1)) == NOON
    assert Every.parse(timedelta(hours=1)) == Every(HOUR)
    assert list(islice(Every.parse(1.5).ticks(0), 3)) == [1500, 3000, 4500]


@pytest.mark.parametrize("alias", ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"])
def test_names_of_schedules(alias: str) -> None:
    assert next(Cron.parse(alias, "UTC").ticks(NOON)) % HOUR == 0


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * * *", "61 * * * *", "0 0 31 2 *", "* * */20 * 1L", "a", "@never", None, 5]
)
def test_what_is_no_expression_is_refused(expression: Any) -> None:
    with pytest.raises(InvalidOption, match="cron expression"):
        Cron.parse(expression, "UTC")


@given(st.text(alphabet="0123456789*,-/#LW @monMONAN\n\0é", max_size=40) | st.text(max_size=300))
def test_a_text_is_an_expression_or_is_refused(expression: str) -> None:
    try:
        schedule = Cron.parse(expression, BERLIN)
    except InvalidOption:
        return
    assert next(schedule.ticks(NOON), NOON + 1) > NOON


@pytest.mark.parametrize("tz", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "\0", None, 7])
def test_what_is_no_zone_is_refused(tz: Any) -> None:
    with pytest.raises(InvalidOption, match="not a time zone"):
        Cron.parse("* * * * *", tz)


@pytest.mark.parametrize("interval", [0, 0.5, -1, float("nan"), float("inf"), True, "60", None, timedelta(0)])
def test_what_is_no_interval_is_refused(interval: Any) -> None:
    with pytest.raises(InvalidOption, match="every: seconds"):
        Every.parse(interval)


def test_without_the_extra_it_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(InvalidOption) as caught:
        Cron.parse("* * * * *", "UTC")
    assert str(caught.value) == "cron expressions need cronsim: pip install 'redisq-jobs[cron]'"
    assert next(Every.parse(1.0).ticks(0)) == 1000


ZONES = st.sampled_from([BERLIN, "America/New_York", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut", "UTC"])
EXPRESSIONS = st.sampled_from(
    [
        "*/7 * * * *",
        "30 2 * * *",
        "0,30 1-3 * * *",
        "*/20 2 * * *",
        "15 0 * * *",
        "0 0 * * *",
        "0 30 2 * * *",
        "@weekly",
    ]
)


@given(ZONES, EXPRESSIONS, st.integers(1_250_000_000, 1_900_000_000), st.integers(1, 40 * 3600))
def test_the_same_ticks_whoever_asks_when(tz: str, expression: str, start: int, seconds: int) -> None:
    """The next tick of two moments is the same, or lies between them: so no worker knows a tick that others do not."""
    # to a change of the clocks, if there is one within the year
    zone = ZoneInfo(tz)
    for day in range(366):
        moment = start + day * 86400
        if datetime.fromtimestamp(moment, zone).utcoffset() != datetime.fromtimestamp(moment + 86400, zone).utcoffset():
            start = moment + seconds // 3
            break
    schedule, first, second = Cron(expression, tz), start * 1000, (start + seconds) * 1000
    one, other = next(schedule.ticks(first)), next(schedule.ticks(second))
    assert first < one
    assert second < other
    assert one == other if one > second else one <= second
    assert list(islice(schedule.ticks(first), 5)) == sorted(set(islice(schedule.ticks(first), 5)))


@given(st.integers(1, 5), st.integers(0, 400), st.integers(1, 90))
def test_the_latest_ticks_are_the_last_of_all(most: int, back: int, step: int) -> None:
    schedule = Every(step * 1000)
    everything = list(range(NOON - back * 1000, NOON + 1))
    expected = [tick for tick in everything if tick % schedule.ms == 0 and tick > NOON - back * 1000][-most:]
    assert latest(schedule, NOON - back * 1000, NOON, most) == expected


def test_ten_years_of_missed_seconds_are_soon_counted() -> None:
    every_second = Cron.parse("* * * * * *", BERLIN)
    assert latest(every_second, NOON - 3650 * DAY, NOON, 1) == [NOON]
    assert latest(every_second, NOON - 3650 * DAY, NOON, 1000) == list(range(NOON - 999_000, NOON + 1, 1000))


# What is to be enqueued

HOURLY = Every(HOUR)
LEAD = 5000


def test_nothing_is_done_until_just_before_the_tick() -> None:
    assert plan(HOURLY, "last", NOON, NOON + 1, LEAD) == Plan([], NOON + HOUR - LEAD)
    assert plan(HOURLY, "last", NOON, NOON + HOUR - LEAD, LEAD) == Plan([NOON + HOUR], NOON + HOUR)
    assert plan(HOURLY, "last", NOON + HOUR, NOON + HOUR - LEAD, LEAD) == Plan([], NOON + HOUR)


def test_never_more_than_one_tick_ahead() -> None:
    assert plan(Every(1000), "all", NOON, NOON, LEAD).ticks == [NOON + 1000]
    assert plan(Every(1000), "all", NOON + 1000, NOON, LEAD).ticks == []


def test_what_was_missed() -> None:
    now = NOON + 4 * HOUR + 10 * MINUTE
    assert plan(HOURLY, "none", NOON, now, LEAD).ticks == []
    assert plan(HOURLY, "last", NOON, now, LEAD).ticks == [NOON + 4 * HOUR]
    assert plan(HOURLY, "all", NOON, now, LEAD).ticks == [NOON + n * HOUR for n in (1, 2, 3, 4)]


def test_what_is_late_by_less_than_a_minute_was_not_missed() -> None:
    assert plan(HOURLY, "none", NOON, NOON + HOUR + LATE - 1, LEAD).ticks == [NOON + HOUR]
    assert plan(HOURLY, "none", NOON, NOON + HOUR + LATE, LEAD).ticks == []


def test_all_has_a_bound_and_comes_in_batches() -> None:
    last, now, made = NOON, NOON + 2000 * MINUTE, []
    while (step := plan(Every(MINUTE), "all", last, now, 0)).ticks:
        assert len(step.ticks) <= BATCH + 1
        made += step.ticks
        last = step.ticks[-1]
    assert made == [now - n * MINUTE for n in range(MOST_MISSED - 1, -1, -1)]


def test_a_schedule_may_end() -> None:
    class Ended:
        def ticks(self, after: int) -> Any:
            return iter(())

    assert plan(Ended(), "last", NOON, NOON, LEAD) == Plan([], None)
