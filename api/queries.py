"""What stands in a query string or in a header, as parameters that check it and that the API's document shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import falcon
from msgspec import Meta

from . import clock, ids
from .describe import Answer, Parameter
from .desk import MAX_WAIT
from .store import Filter, Status

MAX_LIMIT = 100
_MOMENT = Annotated[datetime, Meta(tz=True)]
_NAME = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)

LIMIT = Parameter(
    "limit", Annotated[int, Meta(ge=1)], "bad_limit",
    f"how many a page has, as a whole number; above {MAX_LIMIT} it is {MAX_LIMIT}",
    default=20,
)  # fmt: skip
CURSOR = Parameter(
    "cursor", Annotated[str, Meta(pattern=f"^{ids.PATTERN.pattern}$")], "bad_cursor",
    "where the last page ended; the Link header of a page has it, and nobody needs to know its form",
)  # fmt: skip
STATUS = Parameter("status", Status, "bad_status", "only tasks of that status, which is one of the listed ones")
QUEUE = Parameter("queue", _NAME, "bad_queue", "only tasks of that queue")
TASK = Parameter("task", _NAME, "bad_task", "only calls of that task")
AFTER = Parameter("created_after", _MOMENT, "bad_time", "only tasks that are newer; a time as in RFC 3339")
BEFORE = Parameter("created_before", _MOMENT, "bad_time", "only tasks that are older; a time as in RFC 3339")
PAGE = (LIMIT, CURSOR, STATUS, QUEUE, TASK, AFTER, BEFORE)

WAIT = Parameter(
    "wait", Annotated[float, Meta(ge=0)], "bad_wait",
    f"seconds to wait for the end; above {MAX_WAIT:.0f} it is {MAX_WAIT:.0f}",
)  # fmt: skip
PREFER = Parameter(
    "Prefer", str, "", "`wait=10` is `?wait=10`, in whole seconds; Preference-Applied says when it counted",
    place="header",
)  # fmt: skip
WAITING = (WAIT, PREFER)

IF_NONE_MATCH = Parameter(
    "If-None-Match", str, "", "the ETag of an answer that you have: a 304 says that it would be the same",
    place="header",
)  # fmt: skip
UNCHANGED = Answer("nothing has changed since the answer with that ETag", headers=("ETag",))


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a client will wait, and whether it says so as a preference, which an answer confirms."""

    seconds: float
    is_preference: bool

    def confirm(self, response: falcon.Response) -> None:
        """Says that the preference was applied."""
        if self.is_preference:
            response.set_header("Preference-Applied", f"wait={self.seconds:.0f}")


def wanted(request: falcon.Request) -> tuple[Filter, int]:
    """Which tasks to list, and how many."""
    after, before = AFTER.read(request), BEFORE.read(request)
    # The id has the time in it, so that a range of times is a range of the index by which the pages go.
    low = None if after is None else ids.bound(_micros(after) + 1)
    high = None if before is None else ids.bound(_micros(before))
    cursor = CURSOR.read(request)
    if cursor is not None:
        high = cursor if high is None else min(high, cursor)
    found = Filter(STATUS.read(request), QUEUE.read(request), TASK.read(request), low, high)
    return found, min(LIMIT.read(request), MAX_LIMIT)


def next_page(request: falcon.Request, cursor: str, page: Sequence[Parameter] = PAGE) -> dict[str, str]:
    """The query of the page after this one: what was asked of the parameters of `page`, from there on."""
    asked = ((parameter.name, parameter.sent(request)) for parameter in page)
    return {name: text for name, text in asked if text is not None} | {CURSOR.name: cursor}


def wait(request: falcon.Request) -> Wait:
    """`?wait=` or `Prefer: wait=`: how long the client is willing to wait, 0 seconds when it does not say."""
    seconds = WAIT.read(request)
    if seconds is not None:
        return Wait(min(seconds, MAX_WAIT), False)
    preferred = _PREFER_WAIT.search(request.get_header("Prefer") or "")
    return Wait(min(float(preferred[1]), MAX_WAIT), True) if preferred else Wait(0.0, False)


def _micros(moment: datetime) -> int:
    return clock.micros(moment) or 0
