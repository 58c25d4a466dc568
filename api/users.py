"""Users and what they are known by, a password or a token, in the database. What they are granted is in grants.py."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from . import clock, grants, passwords
from .database import Conflict, Database, Row, Unavailable
from .grants import BadUser, Quota

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
#: Each may do what those before it may: see to his own tasks; look at everything; act on jobs and queues; manage users.
ROLES = ("user", "viewer", "operator", "admin")
DEFAULT_SCOPES = ("read", "write")

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_WILD = re.compile("[!%_]")
#: What of a user is asked for, of `account a LEFT JOIN plan p`.
SELECT = (
    "SELECT a.id, a.name, a.password, a.role, a.disabled_at, a.plan, coalesce(a.rule, p.rule),"
    " coalesce(a.unfinished, p.unfinished), coalesce(a.requests, p.requests), coalesce(a.seconds, p.seconds)"
)
_ALL = " ".join((SELECT, "FROM account a LEFT JOIN plan p ON p.name = a.plan"))
_BY_NAME = " ".join((_ALL, "WHERE a.name = ?"))
_SEARCH = " ".join((_ALL, "WHERE lower(a.name) LIKE ? ESCAPE '!' AND a.name > ? ORDER BY a.name LIMIT ?"))
_BY_TOKEN = " ".join(
    (
        SELECT,
        ", t.scopes, t.expires_at, t.used_at",
        "FROM token t JOIN account a ON a.id = t.account_id LEFT JOIN plan p ON p.name = a.plan WHERE t.digest = ?",
    )
)
# How exactly it is known when a token was used last: noting it on every request would be a write for every read.
_USE_KNOWN_TO = 60 * clock.SECOND


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, with what holds for him: his own or else his plan's, None where the service's holds.

    `password` is the encoded hash. `scopes` are those of the credentials that he came with.
    """

    id: int
    name: str
    password: str
    role: str
    disabled: bool = False
    plan: str | None = None
    rule: str | None = None
    quota: Quota = field(default_factory=Quota)
    scopes: frozenset[str] = field(default=frozenset(SCOPES), compare=False)
    by_token: bool = field(default=False, compare=False)

    @property
    def admin(self) -> bool:
        """Whether he is an administrator."""
        return self.role == "admin"

    def is_at_least(self, role: str) -> bool:
        """Whether his role includes that one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def may(self, scope: str) -> bool:
        """Whether these credentials are good for it; `admin` only for an administrator."""
        return scope in self.scopes and (self.admin or scope != "admin")


def add(
    database: Database,
    name: str,
    password: str,
    queues: Sequence[str],
    admin: bool = False,
    plan: str | None = None,
) -> bool:
    """Adds a user with one worker on each of `queues` (`high` or, with a weight, `high:3`) beside those of the plan.

    False, and nothing changed, when the name is taken. Raises BadUser.
    """
    if not _NAME.fullmatch(name):
        raise BadUser(f"a user's name is 1 to 64 of the characters A-Z a-z 0-9 _ . @ -, not {name!r}")
    check_password(password)
    workers = grants.parse(queues)
    if not workers and plan is None:
        raise BadUser("a user needs at least one worker")
    if find(database, name) is not None:
        return False
    stored = passwords.hashed(password)
    try:
        with database.write():
            if plan is not None:
                grants.check_plan(database, plan)
            database.run(
                "INSERT INTO account (name, password, role, plan, created_at) VALUES (?, ?, ?, ?, ?)",
                name, stored, "admin" if admin else "user", plan, clock.now(),
            )  # fmt: skip
            user = find(database, name)
            assert user is not None
            grants.grant(database, user.id, workers)
    except Conflict:
        return False
    return True


def check_password(password: str) -> None:
    """Raises BadUser for one that is too long to be hashed, or none."""
    if not 0 < len(password) <= passwords.MAX_LENGTH:
        raise BadUser(f"a password has 1 to {passwords.MAX_LENGTH} characters")


def find(database: Database, name: str) -> User | None:
    """The user of that name, disabled or not."""
    row = database.one(_BY_NAME, name)
    return of_row(row) if row else None


def everyone(database: Database) -> list[User]:
    """All users, by name."""
    return [of_row(row) for row in database.all(" ".join((_ALL, "ORDER BY a.name")))]


def search(database: Database, text: str, after: str, limit: int) -> list[User]:
    """At most so many users with the text in their names, by name; those that come after the name `after`."""
    pattern = "%" + _WILD.sub(r"!\g<0>", text.lower()) + "%"
    return [of_row(row) for row in database.all(_SEARCH, pattern, after, limit)]


def has_admin(database: Database) -> bool:
    """Whether there is an administrator who is not disabled."""
    return database.one("SELECT 1 FROM account WHERE role = 'admin' AND disabled_at IS NULL LIMIT 1") is not None


def find_by_token(database: Database, token: str) -> User | None:
    """The user to whom that bearer token was given, if it holds: not expired, and he not disabled. Notes its use."""
    known = digest(token)
    row = database.one(_BY_TOKEN, known)
    if row is None:
        return None
    scopes, expires_at, used_at = row[-3:]
    now = clock.now()
    user = replace(of_row(row), scopes=frozenset(scopes.split(",")), by_token=True)
    if user.disabled or (expires_at is not None and expires_at <= now):
        return None
    if used_at is None or used_at <= now - _USE_KNOWN_TO:
        with suppress(Unavailable), database.note():
            database.run("UPDATE token SET used_at = ? WHERE digest = ?", now, known)
    return user


def queues(database: Database, user: User) -> list[str]:
    """The queues of the user's workers."""
    return sorted(grants.granted(database, user.id, user.plan))


def set_password_hash(database: Database, user: User, stored: str) -> None:
    """Stores a new hash of the password that the user has."""
    with database.write():
        database.run("UPDATE account SET password = ? WHERE id = ? AND password = ?", stored, user.id, user.password)


def create_token(
    database: Database,
    user: User,
    name: str | None = None,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    expires_at: int | None = None,
) -> str:
    """A new bearer token of 256 random bits. Only its digest is kept: it cannot be shown again.

    `expires_at`: microseconds since the epoch. Raises Conflict when the user has a token of that name.
    """
    token = secrets.token_urlsafe(32)
    with database.write():
        database.run(
            "INSERT INTO token (digest, account_id, created_at, name, scopes, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
            digest(token), user.id, clock.now(), name, ",".join(scopes), expires_at,
        )  # fmt: skip
    return token


def of_row(row: Row) -> User:
    """The user that a query beginning with SELECT found."""
    ident, name, password, role, disabled_at, plan, rule, unfinished, requests, seconds = row[:10]
    quota = Quota(unfinished, requests, seconds)
    return User(ident, name, password, role, disabled_at is not None, plan, rule, quota)


def digest(token: str) -> str:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
