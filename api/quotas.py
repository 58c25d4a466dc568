"""What a user may ask for: so many requests in a time, so many unfinished tasks at once.

Requests are counted by all processes together, in the database (limits.py), and every answer says what is left, in the
fields of the IETF's draft "RateLimit header fields for HTTP". Who has no quota costs no statement.
"""

import math
import time

import falcon

from . import limits
from .database import Database
from .grants import Quota
from .limits import Rate, Taken
from .problems import Problem
from .users import User

# Seconds after which somebody who has too many unfinished tasks may find that some have ended.
_RETRY_UNFINISHED = "5"
_MEMORY_SIZE = 10_000
# The literal states let the database use the partial index of migrations.py; it looks at no more rows than matter.
_UNFINISHED = (
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE account_id = ? AND state IN ('accepted', 'scheduled', 'queued')"
    " LIMIT ?) AS unfinished"
)


class Quotas:
    """The quotas of the users of one database. `default` holds for those who have none of their own or of a plan."""

    def __init__(self, database: Database, default: Quota) -> None:
        self._database = database
        self._default = default
        self._exhausted: dict[tuple[int, Rate], float] = {}

    def count_request(self, user: User, response: falcon.Response) -> None:
        """Counts a request, and says in the answer's header what is left. Raises the 429."""
        rate = self._rate(user.quota)
        if rate is None:
            return
        response.set_header("RateLimit-Policy", f'"requests";q={rate.count};w={rate.seconds}')
        # Who goes on after a 429 is refused from memory, and does not keep the database busy.
        wait = self._exhausted.get((user.id, rate), 0.0) - time.monotonic()
        if wait > 0:
            _tell(response, 0, wait)
            raise _too_many_requests(rate, wait)
        # A debt is of one rate: who is given another quota begins anew.
        taken = limits.take(self._database, f"requests:{user.id}:{rate.count}/{rate.seconds}", rate)
        _tell(response, taken.remaining, taken.reset if taken.is_granted else taken.wait)
        if not taken.is_granted:
            self._remember(user, rate, taken)
            raise _too_many_requests(rate, taken.wait)

    def check_unfinished(self, user: User, count: int) -> None:
        """Raises the 429 if `count` more tasks are too many; belongs into the `write()` that adds them."""
        most = _first(user.quota.unfinished, self._default.unfinished)
        if not most:
            return
        self._database.lock(f"unfinished.{user.id}")
        row = self._database.one(_UNFINISHED, user.id, most)
        if (row[0] if row else 0) + count > most:
            detail = f"You may have {most} unfinished tasks at a time."
            raise Problem(429, "too_many_unfinished", detail, {"Retry-After": _RETRY_UNFINISHED})

    def _rate(self, quota: Quota) -> Rate | None:
        mine = quota if quota.requests is not None else self._default
        return Rate(mine.requests, mine.seconds) if mine.requests and mine.seconds else None

    def _remember(self, user: User, rate: Rate, taken: Taken) -> None:
        if len(self._exhausted) >= _MEMORY_SIZE:
            self._exhausted.clear()
        self._exhausted[user.id, rate] = time.monotonic() + taken.wait


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _tell(response: falcon.Response, remaining: int, reset: float) -> None:
    response.set_header("RateLimit", f'"requests";r={remaining};t={math.ceil(reset)}')


def _too_many_requests(rate: Rate, wait: float) -> Problem:
    detail = f"You may send {rate.count} requests in {rate.seconds} seconds."
    return Problem(429, "too_many_requests", detail, {"Retry-After": str(max(1, math.ceil(wait)))})
