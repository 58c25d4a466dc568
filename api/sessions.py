"""Who is logged in on the console: rows of the table `session`, each known by the SHA-256 of its cookie.

A session ends when its user logs out, when nothing was done in it for a while, when it is old, and when the user is
disabled or gets another password.
"""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from . import clock, users
from .database import Database, Unavailable
from .users import User

# How exactly it is known when a session was used last.
_SEEN_TO = 60 * clock.SECOND
# So many messages, beside the last one, wait to be shown.
_FLASHES = 4
_FIND = " ".join(
    (
        users.SELECT,
        ", s.seen_at, s.flash FROM session s JOIN account a ON a.id = s.account_id LEFT JOIN plan p ON p.name = a.plan",
        "WHERE s.digest = ? AND s.seen_at > ? AND s.created_at > ? AND a.disabled_at IS NULL",
    )
)
_OVER = "DELETE FROM session WHERE seen_at <= ? OR created_at <= ?"
_flashes = msgspec.json.Decoder(list[tuple[str, str]])


@dataclass(frozen=True, slots=True)
class Session:
    """A login. `csrf` is what a form of it has to bring along: only its pages know it."""

    digest: str
    csrf: str
    user: User
    has_flash: bool


class Sessions:
    """The sessions of one database, which end after so many minutes without use, and after so many in any case."""

    def __init__(self, database: Database, idle: int, age: int) -> None:
        self._database = database
        self._idle = idle * 60 * clock.SECOND
        self._age = age * 60 * clock.SECOND

    def start(self, user: User) -> str:
        """A new one; answers its cookie, of 256 random bits. What is over is forgotten on this occasion."""
        cookie = secrets.token_urlsafe(32)
        now = clock.now()
        with self._database.write():
            self._database.run(_OVER, now - self._idle, now - self._age)
            self._database.run(
                "INSERT INTO session (digest, account_id, created_at, seen_at) VALUES (?, ?, ?, ?)",
                _digest(cookie), user.id, now, now,
            )  # fmt: skip
        return cookie

    def find(self, cookie: str, is_use: bool = True) -> Session | None:
        """The session of that cookie, unless it is over. `is_use`: somebody is there, so it does not idle."""
        digest, now = _digest(cookie), clock.now()
        row = self._database.one(_FIND, digest, now - self._idle, now - self._age)
        if row is None:
            return None
        *columns, seen_at, flash = row
        if is_use and seen_at <= now - _SEEN_TO:
            with suppress(Unavailable), self._database.note():
                self._database.run("UPDATE session SET seen_at = ? WHERE digest = ?", now, digest)
        return Session(digest, _csrf(cookie), users.of_row(tuple(columns)), flash is not None)

    def end(self, cookie: str) -> None:
        """Ends it; the cookie is worth nothing any more."""
        with self._database.write():
            self._database.run("DELETE FROM session WHERE digest = ?", _digest(cookie))

    def flash(self, session: Session, kind: str, text: str) -> None:
        """Keeps a message for the next page that is shown. `kind`: good or bad."""
        with self._database.note():
            row = self._database.one("SELECT flash FROM session WHERE digest = ?", session.digest)
            kept = _flashes.decode(row[0]) if row and row[0] else []
            flashes = msgspec.json.encode([*kept[-_FLASHES:], (kind, text)]).decode()
            self._database.run("UPDATE session SET flash = ? WHERE digest = ?", flashes, session.digest)

    def flashes(self, session: Session) -> list[tuple[str, str]]:
        """The messages that were kept, each told once."""
        if not session.has_flash:
            return []
        with self._database.note():
            row = self._database.one("SELECT flash FROM session WHERE digest = ?", session.digest)
            self._database.run("UPDATE session SET flash = NULL WHERE digest = ?", session.digest)
        return _flashes.decode(row[0]) if row and row[0] else []


def end_all(database: Database, account_id: int) -> None:
    """Ends all sessions of a user; belongs into a `write()`."""
    database.run("DELETE FROM session WHERE account_id = ?", account_id)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


def _csrf(cookie: str) -> str:
    # Made from the cookie, which the database does not know: no column, and another one for every login.
    return hashlib.blake2b(b"csrf", key=cookie.encode(), digest_size=24).hexdigest()
