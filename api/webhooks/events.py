"""What there is to tell, and whom: deliveries are written in the transaction that ends a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import UNSET, UnsetType

from .. import clock
from ..database import Database, places
from ..ids import IdMaker

Event = Literal["task.succeeded", "task.failed", "task.cancelled"]
EVENTS: tuple[str, ...] = get_args(Event)
TEST = "webhook.test"
#: Of the id of a delivery, which is what Standard Webhooks call that of a message.
PREFIX = "msg_"
#: What goes to the `callback_url` of a task is a delivery of no endpoint.
CALLBACK = ""
#: Bytes of a result that are told; a longer one is to be asked for.
MAX_RESULT = 64 * 1024

_INSERT = (
    "INSERT INTO webhook_delivery (id, account_id, webhook_id, task_id, event, url, body, state, created_at, due_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)"
)
_TASK = "SELECT id, task, queue, state, attempt, created_at, started_at, finished_at, result, error FROM task"
_ids = IdMaker()


class Ended(NamedTuple):
    """A task that has just ended, in the columns that say who is to be told."""

    task_id: str
    account_id: int
    callback_url: str | None


class Receiver(NamedTuple):
    """Where to send: an endpoint, or CALLBACK with the URL of a task."""

    webhook_id: str
    url: str


class EndedTask(msgspec.Struct):
    """A task as a webhook tells of it: the task object without its input."""

    id: str
    task: str
    queue: str
    status: str
    attempt: int
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    result: msgspec.Raw | UnsetType | None
    error: str | None


class Message(msgspec.Struct):
    """The body of every webhook."""

    type: str
    timestamp: str | None
    data: Any


def announce(database: Database, ended: Iterable[Ended]) -> None:
    """Writes the deliveries for tasks that end in this transaction; belongs into its `write()`."""
    ended = list(ended)
    endpoints = _endpoints(database, {one.account_id for one in ended})
    for one in ended:
        callback = [Receiver(CALLBACK, one.callback_url)] if one.callback_url else []
        if not (callback or endpoints[one.account_id]):
            continue
        row = database.one(" ".join((_TASK, "WHERE id = ?")), one.task_id)
        assert row is not None
        told = _ended_task(*row)
        event = f"task.{told.status}"
        receivers = callback + [receiver for receiver, events in endpoints[one.account_id] if event in events]
        for receiver in receivers:
            add(database, one.account_id, receiver, event, told, told.finished_at, told.id)


def add(
    database: Database,
    account_id: int,
    receiver: Receiver,
    event: str,
    data: Any,
    at: str | None,
    task_id: str | None = None,
) -> str:
    """Writes a delivery that is due now, and answers its id; belongs into a `write()`. `at`: when it happened."""
    body, now = msgspec.json.encode(Message(event, at, data)).decode(), clock.now()
    delivery_id = PREFIX + _ids.make(1)[0]
    database.run(_INSERT, delivery_id, account_id, receiver.webhook_id, task_id, event, receiver.url, body, now, now)
    return delivery_id


def _endpoints(database: Database, accounts: Iterable[int]) -> defaultdict[int, list[tuple[Receiver, list[str]]]]:
    """The endpoints in use by account, each with its events."""
    found: defaultdict[int, list[tuple[Receiver, list[str]]]] = defaultdict(list)
    if accounts := sorted(accounts):
        query = " ".join(
            (
                "SELECT account_id, id, url, events FROM webhook WHERE disabled_at IS NULL AND account_id IN (",
                places(accounts), ") ORDER BY id",
            )
        )  # fmt: skip
        for account_id, webhook_id, url, events in database.all(query, *accounts):
            found[account_id].append((Receiver(webhook_id, url), events.split(",")))
    return found


def _ended_task(
    task_id: str, task: str, queue: str, state: str, attempt: int,
    created_at: int, started_at: int | None, finished_at: int | None, result: str | None, error: str | None,
) -> EndedTask:  # fmt: skip
    told: msgspec.Raw | UnsetType | None = None
    if result is not None:
        data = result.encode()
        told = msgspec.Raw(data) if len(data) <= MAX_RESULT else UNSET
    moments = (clock.rfc3339(created_at), clock.rfc3339(started_at), clock.rfc3339(finished_at))
    if state == "cancelled":
        error = error or "cancelled"
    return EndedTask(task_id, task, queue, state, attempt, *moments, told, error)
