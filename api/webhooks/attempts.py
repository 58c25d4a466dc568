"""Deliveries in the database, as the relay needs them: which are due, and what came of each attempt, for all users."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .. import clock
from ..database import Database
from .transport import Outcome

# One step of the index for each account, however much waits for it.
_ACCOUNTS = (
    "WITH RECURSIVE account_of (id) AS (SELECT CAST(0 AS BIGINT)"
    " UNION ALL SELECT (SELECT account_id FROM webhook_delivery WHERE state = 'pending'"
    " AND account_id > account_of.id ORDER BY account_id LIMIT 1) FROM account_of WHERE account_of.id IS NOT NULL)"
    " SELECT id FROM account_of WHERE (SELECT due_at FROM webhook_delivery WHERE state = 'pending'"
    " AND account_id = account_of.id ORDER BY due_at LIMIT 1) <= ?"
)
_DUE = (
    "SELECT id FROM webhook_delivery WHERE state = 'pending' AND account_id = ? AND due_at <= ?"
    " ORDER BY due_at, id LIMIT ?"
)
_SENDING = "SELECT account_id, count(*) FROM webhook_delivery WHERE state = 'sending' GROUP BY account_id"
_SEND = (
    "UPDATE webhook_delivery SET state = 'sending', attempts = attempts + 1, sent_at = ?"
    " WHERE state = 'pending' AND id = ? RETURNING id, account_id, webhook_id, url, body, attempts"
)
_IS_IN_USE = "SELECT 1 FROM webhook WHERE id = ? AND disabled_at IS NULL"
_OVERDUE = "SELECT id, attempts FROM webhook_delivery WHERE state = 'sending' AND sent_at < ? ORDER BY sent_at LIMIT ?"
_BACK = (
    "UPDATE webhook_delivery SET state = 'pending', due_at = ? WHERE state = 'sending' AND id = ? AND attempts = ?"
    " RETURNING webhook_id, failures"
)
_NOTE = (
    "INSERT INTO webhook_attempt (delivery_id, number, at, duration, status, error, response)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FAIL = "UPDATE webhook_delivery SET failures = ?, due_at = ? WHERE id = ?"
_FINISH = "UPDATE webhook_delivery SET state = ?, finished_at = ? WHERE id = ?"
_DISABLE = "UPDATE webhook SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL"
_FORGET_OLD = (
    "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery"
    " WHERE state IN ('delivered', 'failed') AND finished_at < ? ORDER BY finished_at LIMIT ?)"
)
_GONE = 410
_DISABLED = "the endpoint is disabled"
# An attempt that was not made is due again so soon.
_AGAIN = 5 * clock.SECOND
# Receivers that came back together must not be met by all that waited for them at once.
_JITTER = 0.1


class Attempt(NamedTuple):
    """One to make: `number` counts those of its delivery from 1 on."""

    delivery_id: str
    account_id: int
    webhook_id: str
    url: str
    body: str
    number: int


class Sent(NamedTuple):
    """One that a worker was given."""

    delivery_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Bound:
    """How many attempts may be with workers: in all, and of one account."""

    total: int
    share: int


def take(database: Database, bound: Bound, after: int) -> list[Attempt]:
    """What is due, as far as the bound goes; it is the caller's to hand to a worker.

    Accounts take turns: those after the account `after` come first.
    """
    now = clock.now()
    if not _accounts(database, now):  # looking locks nobody out
        return []
    with database.write():
        if not database.lock("webhooks", wait=False):
            return []
        rows = [database.one(_SEND, now, delivery_id) for delivery_id in list(_due(database, bound, after, now))]
        attempts = [Attempt(*row) for row in rows if row is not None]
        usable = {one: _is_in_use(database, one) for one in {attempt.webhook_id for attempt in attempts}}
        for attempt in attempts:
            if not usable[attempt.webhook_id]:
                database.run(_NOTE, attempt.delivery_id, attempt.number, now, 0, None, _DISABLED, None)
                database.run(_FINISH, "failed", now, attempt.delivery_id)
    return [attempt for attempt in attempts if usable[attempt.webhook_id]]


def overdue(database: Database, sent_before: int, limit: int) -> list[Sent]:
    """What workers were given so long ago that it is worth a look where it is; the oldest first."""
    return [Sent(*row) for row in database.all(_OVERDUE, sent_before, limit)]


def record(database: Database, outcomes: Iterable[tuple[Sent, Outcome | None]], retries: Sequence[int]) -> None:
    """Notes what came of attempts, each once, and when the next is due; None: it was not made, and is due again.

    `retries`: seconds from the first failure to the second attempt, from the second to the third, and so on.
    """
    # In the order of the ids, so that two who note the same ones never wait for each other.
    ordered = sorted(outcomes, key=lambda pair: pair[0])
    with database.write():
        for sent, outcome in ordered:
            row = database.one(_BACK, clock.now() + _AGAIN, *sent)
            if row is not None and outcome is not None:
                _record(database, sent, outcome, row[0], row[1], retries)


def forget_old(database: Database, before: int, limit: int) -> int:
    """Deletes up to `limit` deliveries that ended before a time, with their attempts; answers how many."""
    with database.write():
        return database.run(_FORGET_OLD, before, limit)


def _accounts(database: Database, now: int) -> list[int]:
    return [account for (account,) in database.all(_ACCOUNTS, now)]


def _due(database: Database, bound: Bound, after: int, now: int) -> Iterator[str]:
    """The ids, one account after the other."""
    sending: dict[int, int] = dict(database.all(_SENDING))
    room = bound.total - sum(sending.values())
    accounts = _accounts(database, now)
    for account in [*(one for one in accounts if one > after), *(one for one in accounts if one <= after)]:
        share = min(room, bound.share - sending.get(account, 0))
        if share > 0:
            found = database.all(_DUE, account, now, share)
            room -= len(found)
            yield from (delivery_id for (delivery_id,) in found)


def _is_in_use(database: Database, webhook_id: str) -> bool:
    return not webhook_id or database.one(_IS_IN_USE, webhook_id) is not None


def _record(
    database: Database, sent: Sent, outcome: Outcome, webhook_id: str, failures: int, retries: Sequence[int]
) -> None:
    now = clock.now()
    database.run(_NOTE, *sent, outcome.at, outcome.duration, outcome.status, outcome.error, outcome.response)
    if outcome.error is None:
        database.run(_FINISH, "delivered", now, sent.delivery_id)
        return
    if failures >= len(retries) or outcome.status == _GONE:
        database.run(_FINISH, "failed", now, sent.delivery_id)
    else:
        pause = max(retries[failures] * (1 + random.uniform(0, _JITTER)), outcome.retry_after or 0)
        database.run(_FAIL, failures + 1, now + round(pause * clock.SECOND), sent.delivery_id)
    if outcome.status == _GONE and webhook_id:
        database.run(_DISABLE, now, webhook_id)


