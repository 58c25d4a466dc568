"""The endpoints that users have registered: every query here filters by the owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import clock
from ..database import Database
from ..ids import IdMaker
from . import events, keys

#: How many a user may have.
MOST = 20
_PREFIX = "wh_"
_COLUMNS = "SELECT id, url, events, created_at, disabled_at FROM webhook"
_OF = " ".join((_COLUMNS, "WHERE account_id = ? ORDER BY id DESC"))
_FIND = " ".join((_COLUMNS, "WHERE account_id = ? AND id = ?"))
_INSERT = "INSERT INTO webhook (id, account_id, url, events, created_at) VALUES (?, ?, ?, ?, ?)"
_ENABLE = "UPDATE webhook SET disabled_at = NULL WHERE account_id = ? AND id = ?"
_DELETE = "DELETE FROM webhook WHERE account_id = ? AND id = ?"
_DELETE_ITS = (
    "DELETE FROM webhook_secret WHERE account_id = ? AND webhook_id = ?",
    "DELETE FROM webhook_delivery WHERE account_id = ? AND webhook_id = ?",
)
_ids = IdMaker()


class TooMany(Exception):
    """The user has as many endpoints as he may."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that is told of `events`. One that has answered 410 is disabled, from that time on."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: int
    disabled_at: int | None


def add(database: Database, owner: int, url: str, wanted: Sequence[str]) -> tuple[Endpoint, str]:
    """A new one for the `wanted` events, and its secret, which is not to be seen again. Raises TooMany."""
    told = tuple(event for event in events.EVENTS if event in wanted)
    endpoint = Endpoint(_PREFIX + _ids.make(1)[0], url, told, clock.now(), None)
    with database.write():
        database.lock(f"webhook.{owner}")
        if len(of(database, owner)) >= MOST:
            raise TooMany
        database.run(_INSERT, endpoint.id, owner, url, ",".join(told), endpoint.created_at)
        return endpoint, keys.rotate(database, owner, endpoint.id)


def of(database: Database, owner: int) -> list[Endpoint]:
    """All of the owner's, the newest first."""
    return [_endpoint(*row) for row in database.all(_OF, owner)]


def find(database: Database, owner: int, webhook_id: str) -> Endpoint | None:
    """The owner's of that id."""
    row = database.one(_FIND, owner, webhook_id)
    return _endpoint(*row) if row else None


def remove(database: Database, owner: int, webhook_id: str) -> bool:
    """Deletes one, with its secrets and deliveries; False when it is not there. Belongs into a `write()`."""
    for statement in _DELETE_ITS:
        database.run(statement, owner, webhook_id)
    return database.run(_DELETE, owner, webhook_id) == 1


def enable(database: Database, owner: int, webhook_id: str) -> bool:
    """Has it told of what ends from now on; False when it is not there. Belongs into a `write()`."""
    return database.run(_ENABLE, owner, webhook_id) == 1


def test(database: Database, owner: int, endpoint: Endpoint) -> str:
    """Sends it an event that says nothing; answers the delivery's id. Belongs into a `write()`."""
    receiver = events.Receiver(endpoint.id, endpoint.url)
    return events.add(database, owner, receiver, events.TEST, {}, clock.rfc3339(clock.now()))


def _endpoint(webhook_id: str, url: str, told: str, created_at: int, disabled_at: int | None) -> Endpoint:
    return Endpoint(webhook_id, url, tuple(told.split(",")), created_at, disabled_at)
