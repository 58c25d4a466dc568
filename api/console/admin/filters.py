"""Which jobs of a queue are meant: as the fields of forms and queries say, and as the library takes it."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

import redisq

from ...problems import bad

#: The tabs of a queue, in order.
STATUSES = ("queued", "running", "scheduled", "failed", "succeeded", "cancelled")
#: Those of which it is known how many there are.
COUNTED = ("queued", "running", "scheduled", "failed")
#: What can be done to all jobs of a status at once. A job that has not ended is cancelled, and not deleted: that would
#: take it away from the task that waits for its end.
ACTS = {
    "queued": ("cancel",),
    "running": ("cancel",),
    "scheduled": ("cancel",),
    "failed": ("retry", "delete"),
    "succeeded": ("delete",),
    "cancelled": ("delete",),
}
NAMES = ("task", "text", "error", "since", "until")
#: In a form, for jobs that call no task: a space alone is the name of none.
WITHOUT_TASK = " "
_LONGEST = 500


def read(status: str, given: Mapping[str, str]) -> redisq.Filter:
    """Raises the 422 for what makes none. What is empty is not asked for."""
    try:
        return redisq.Filter(
            status,
            task="" if given.get("task") == WITHOUT_TASK else given.get("task") or None,
            text=given.get("text", "")[:_LONGEST] or None,
            since=_time(given.get("since")),
            until=_time(given.get("until")),
            error=given.get("error") or None,
        )
    except (redisq.InvalidOption, ValueError) as error:
        raise bad("bad_filter", f"{error}") from None


def _time(text: str | None) -> datetime | None:
    return msgspec.convert(text, datetime) if text else None
