"""Idempotency-Key: a POST that is sent twice is carried out once, and answered twice with the same answer.

The answer is stored in the transaction that creates the tasks, so that neither ever exists without the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from . import clock
from .bodies import Body
from .database import Database
from .describe import Parameter
from .problems import Problem, bad

_KEPT = 24 * 3600 * clock.SECOND
KEY = Parameter(
    "Idempotency-Key", Annotated[str, Meta(min_length=1, max_length=255, pattern="^[!-~]([ -~]*[!-~])?$")],
    "bad_idempotency_key",
    "1 to 255 printable ASCII characters of your choice: sent again within a day, with the same body, the request is"
    " not carried out again, and its answer is the first one's",
    place="header",
)  # fmt: skip


class _Shown(msgspec.Struct):
    id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer: the body and the Location header."""

    body: str
    location: str

    def task_ids(self) -> list[str]:
        """The ids of the tasks that it shows, in its order."""
        shown = msgspec.json.decode(self.body, type=_Shown | list[_Shown])
        return [one.id for one in (shown if isinstance(shown, list) else [shown])]


def fingerprint(body: Body) -> str:
    """What tells two bodies apart."""
    return hashlib.sha256(b"form\0" + body.raw if body.is_form else b"json\0" + body.raw).hexdigest()


def find(database: Database, owner: int, key: str, mark: str) -> Answer | None:
    """The answer stored under a key; 422 when it was to another body."""
    row = database.one(
        "SELECT fingerprint, answer, location FROM idempotency WHERE account_id = ? AND key = ? AND created_at > ?",
        owner, key, clock.now() - _KEPT,
    )  # fmt: skip
    if row is None:
        return None
    if row[0] != mark:
        raise bad("idempotency_key_reused", "This Idempotency-Key was sent before with another body.")
    return Answer(row[1], row[2])


def keep(database: Database, owner: int, key: str, mark: str, answer: Answer) -> None:
    """Stores an answer; belongs into the `write()` that made it. 409 when another request with this key was faster."""
    database.run(
        "DELETE FROM idempotency WHERE account_id = ? AND key = ? AND created_at <= ?", owner, key, clock.now() - _KEPT
    )
    stored = database.run(
        "INSERT INTO idempotency (account_id, key, fingerprint, answer, location, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        owner, key, mark, answer.body, answer.location, clock.now(),
    )  # fmt: skip
    if not stored:
        raise Problem(409, "idempotency_key_in_use", "Another request with this key is being answered; send it again.")


def forget_old(database: Database) -> int:
    """Deletes what has expired; answers how many."""
    with database.write():
        return database.run("DELETE FROM idempotency WHERE created_at <= ?", clock.now() - _KEPT)
