"""Users, their workers (named grants of a queue) and their tokens, in the database."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from . import clock, passwords
from .database import Conflict, Database, Row

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadUser(ValueError):
    """A name, password or grant that cannot be one; the message says which."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `password` is the encoded hash."""

    id: int
    name: str
    password: str
    admin: bool


def add(database: Database, name: str, password: str, queues: Sequence[str], admin: bool = False) -> bool:
    """Adds a user with one worker on each of `queues`. False, and nothing changed, when the name is taken."""
    if not _NAME.fullmatch(name):
        raise BadUser(f"a user's name is 1 to 64 of the characters A-Z a-z 0-9 _ . @ -, not {name!r}")
    if not 0 < len(password) <= passwords.MAX_LENGTH:
        raise BadUser(f"a password has 1 to {passwords.MAX_LENGTH} characters")
    if not queues:
        raise BadUser("a user needs at least one worker")
    for queue in queues:
        if not _QUEUE.fullmatch(queue):
            raise BadUser(f"a queue's name is 1 to 64 of the characters A-Z a-z 0-9 _ -, not {queue!r}")
    if find(database, name) is not None:
        return False
    stored = passwords.hashed(password)
    try:
        with database.write():
            database.run(
                "INSERT INTO account (name, password, admin, created_at) VALUES (?, ?, ?, ?)",
                name, stored, int(admin), clock.now(),
            )  # fmt: skip
            grant = "INSERT INTO worker (account_id, queue) SELECT id, ? FROM account WHERE name = ?"
            for queue in dict.fromkeys(queues):
                database.run(grant, queue, name)
    except Conflict:
        return False
    return True


def find(database: Database, name: str) -> User | None:
    """The user of that name."""
    row = database.one("SELECT id, name, password, admin FROM account WHERE name = ?", name)
    return _user(row)


def find_by_token(database: Database, token: str) -> User | None:
    """The user to whom that bearer token was given."""
    row = database.one(
        "SELECT a.id, a.name, a.password, a.admin FROM account a JOIN token t ON t.account_id = a.id"
        " WHERE t.digest = ?",
        _digest(token),
    )
    return _user(row)


def queues(database: Database, user: User) -> list[str]:
    """The queues of the user's workers."""
    rows = database.all("SELECT queue FROM worker WHERE account_id = ? ORDER BY queue", user.id)
    return [queue for (queue,) in rows]


def set_password_hash(database: Database, user: User, stored: str) -> None:
    """Stores a new hash of the password that the user has."""
    with database.write():
        database.run("UPDATE account SET password = ? WHERE id = ? AND password = ?", stored, user.id, user.password)


def create_token(database: Database, user: User) -> str:
    """A new bearer token of 256 random bits. Only its digest is kept: it cannot be shown again."""
    token = secrets.token_urlsafe(32)
    with database.write():
        database.run(
            "INSERT INTO token (digest, account_id, created_at) VALUES (?, ?, ?)", _digest(token), user.id, clock.now()
        )
    return token


def _user(row: Row | None) -> User | None:
    return User(row[0], row[1], row[2], bool(row[3])) if row else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
