"""/admin: how the queues are, and have been, and what they stand on."""

from collections.abc import Callable
from typing import TypeVar, get_args

import falcon

import redisq

from ... import clock, history
from ...database import Database
from ...history import SPANS, Sample, Window
from ..charts import Chart, Kind, Series, Unit
from ..guard import open_to
from ..site import Site
from .watch import Watch

T = TypeVar("T")


class Overview:
    """/admin"""

    def __init__(self, site: Site, database: Database, watch: Watch) -> None:
        self._site = site
        self._database = database
        self._watch = watch

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All of it; what cannot be reached says so in its place."""
        window = window_of(request)
        queues, trouble = _or_trouble(self._watch.queues)
        server, _ = _or_trouble(self._watch.server)
        self._site.show(
            request, response, "admin-overview.html",
            queues=queues or [], trouble=trouble, server=server, base=self._watch.database(),
            charts=charts(history.series(self._database, None, window), window), window=window,
            windows=get_args(Window),
        )  # fmt: skip

    on_head = on_get


def window_of(request: falcon.Request) -> Window:
    """For which time graphs are wanted."""
    return "day" if request.get_param("window") == "day" else "hour"


def charts(samples: list[Sample], window: Window) -> list[Chart]:
    """What waits, what is done, and how long it waited, in that time."""
    span, step = SPANS[window]
    end = clock.now() // step * step

    def chart(title: str, kind: Kind, unit: Unit, **series: str) -> Chart:
        lines = [Series(name, [(one.at, getattr(one, value)) for one in samples]) for name, value in series.items()]
        return Chart(f"chart-{unit}", title, lines, end - span, end, step, kind, unit)

    return [
        chart("Waiting", "area", "count", jobs="depth"),
        chart("Ended", "line", "rate", done="done", failed="failed"),
        chart("Wait before the start", "line", "seconds", mean="latency"),
    ]


def _or_trouble(look: Callable[[], T]) -> tuple[T | None, str | None]:
    try:
        return look(), None
    except redisq.ServerUnavailable:
        return None, "Redis cannot be reached at the moment. What waits is kept, and goes on when it is back."
    except redisq.ServerRefused as error:
        return None, f"Redis refuses: {error}"
