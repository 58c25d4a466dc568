"""The relay's part in webhooks: attempts that are due become jobs, and what came of jobs is noted.

An attempt is a job of its own, already signed, so that neither Redis nor the worker ever has a secret. Its signature is
of the moment at which it is handed over: a job that waits for longer than receivers accept that is not run, and handed
over anew. A job that Redis has lost is found missing. Whoever is killed between two steps leaves a row that says so,
so what is worst is an attempt too many, under the same `webhook-id`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

import redisq

from .. import clock
from ..database import Database
from ..settings import Settings
from ..store import ENDED
from . import TASK, attempts, events, keys, signing
from .attempts import Attempt, Bound, Sent
from .transport import Outcome

_log = logging.getLogger(__name__)

#: What workers may have at a time: in all, and of one account, whose receivers may be slow.
_BOUND = Bound(total=200, share=10)
# Receivers accept a signature for five minutes.
_FRESH = 120.0
_OVERDUE = 60 * clock.SECOND
_LOOK_AT = 500
# The worker's own time limit only catches what its deadlines do not.
_SPARE_SECONDS = 30.0
_HEADERS = {"content-type": "application/json", "user-agent": "redisq-webhooks/1"}


class Courier:
    """Hands over and notes the deliveries of one database; one of several at once is harmless."""

    def __init__(
        self, database: Database, app: redisq.RedisQ, feed: Callable[[], str], config: Settings, bound: Bound = _BOUND
    ) -> None:
        """`feed`: tells the name of the feed that `collect` is given the jobs of."""
        self._database = database
        self._app = app
        self._feed = feed
        self._queue = config.webhook_queue
        self._retries = config.webhook_retries
        self._timeout = config.webhook_timeout + _SPARE_SECONDS
        self._bound = bound
        self._last = 0  # the account whose turn was last

    def hand_over(self) -> int:
        """Enqueues the attempts that are due, as far as there is room; answers how many."""
        due = attempts.take(self._database, self._bound, self._last)
        if due:
            self._last = due[-1].account_id
            self._app.queue(self._queue).enqueue_many(TASK, self._calls(due))
        return len(due)

    def collect(self, jobs: Iterable[redisq.Job]) -> None:
        """Notes what came of attempts."""
        attempts.record(self._database, [(_sent(job), _outcome(job)) for job in jobs], self._retries)

    def sweep(self) -> None:
        """Notes what nobody told, and has what Redis lost handed over again."""
        sent = attempts.overdue(self._database, clock.now() - _OVERDUE, _LOOK_AT)
        jobs = self._app.find_jobs([f"{self._queue}.{_local_id(one)}" for one in sent])
        known = [
            (one, None if job is None else _outcome(job))
            for one, job in zip(sent, jobs, strict=True)
            if job is None or job.status in ENDED
        ]
        if known:
            _log.warning("webhook.untold count=%d lost=%d", len(known), jobs.count(None))
            attempts.record(self._database, known, self._retries)

    def clean(self, before: int, limit: int) -> int:
        """Deletes up to `limit` deliveries that ended before a time; answers how many."""
        return attempts.forget_old(self._database, before, limit)

    def _calls(self, due: Sequence[Attempt]) -> list[tuple[tuple[object, ...], dict[str, object], dict[str, object]]]:
        secrets = {
            receiver: keys.valid(self._database, *receiver)
            for receiver in {(one.account_id, one.webhook_id) for one in due}
        }
        options = {"feed": self._feed(), "timeout": self._timeout, "expires": _FRESH, "max_attempts": 1}
        now = clock.now() // clock.SECOND
        calls: list[tuple[tuple[object, ...], dict[str, object], dict[str, object]]] = []
        for one in due:
            signed = signing.headers(secrets[one.account_id, one.webhook_id], one.delivery_id, now, one.body)
            job_id = _local_id(Sent(one.delivery_id, one.number))
            calls.append(((one.url, _HEADERS | signed, one.body), {}, options | {"job_id": job_id}))
        return calls


def is_attempt(job: redisq.Job) -> bool:
    """Whether a job is one of ours: ids of tasks are without letters behind f."""
    return job.local_id.startswith(events.PREFIX)


def _local_id(sent: Sent) -> str:
    return f"{sent.delivery_id}-{sent.number}"


def _sent(job: redisq.Job) -> Sent:
    delivery_id, _, number = job.local_id.rpartition("-")
    return Sent(delivery_id, int(number))


def _outcome(job: redisq.Job) -> Outcome | None:
    """What the worker answered; None when it was cancelled, or too late to begin with."""
    if job.status == "cancelled":
        return None
    with suppress(msgspec.ValidationError):
        if job.status == "succeeded":
            return msgspec.convert(job.result, Outcome)
    at = clock.micros(job.started_at or job.finished_at) or clock.now()
    return Outcome(at, 0, error=f"the worker failed: {job.error}"[:200].replace("\0", "\N{REPLACEMENT CHARACTER}"))
