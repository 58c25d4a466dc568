"""A timetable, and when it comes true in the nights in which the clocks of Berlin change. Run it: it asks no server."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import redisq

BERLIN = ZoneInfo("Europe/Berlin")

app = redisq.RedisQ()


@app.cron("0 9 * * mon-fri", tz="Europe/Berlin")
@app.task(name="report")
def report() -> None:
    """Every working day at nine; after a night without a worker, once as soon as there is one."""


@app.every(30.0, catch_up="none")
@app.task(name="poll")
def poll() -> None:
    """At each full and half minute; what was missed is missed."""


@app.task(name="clean")
def clean(days: int) -> None:
    """Called by two entries, so each needs a name."""


nightly = app.cron("30 2 * * *", clean, tz="Europe/Berlin", name="clean-nightly", args=[7])
often = app.cron("*/30 2 * * *", clean, tz="Europe/Berlin", name="clean-often", args=[1])

if __name__ == "__main__":
    for name, definition in app.crons.items():
        print(f"{name}: {definition.schedule}")
    for entry in (nightly, often):
        for day in ("2026-03-29", "2026-10-25"):
            midnight = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=BERLIN)
            ticks = [tick.astimezone(BERLIN) for tick in islice(entry.ticks(midnight), 4)]
            times = [f"{tick:%H:%M%z}" for tick in ticks if f"{tick:%Y-%m-%d}" == day]
            print(f"{entry.name} on {day}: {' '.join(times) or 'never'}")
