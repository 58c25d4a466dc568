"""The bearer tokens that a user has: listed and revoked by what may be shown of them, which is never the token."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from .database import Database
from .grants import BadUser
from .users import SCOPES, digest

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_ID_DIGITS = 12
_ID = re.compile(f"[0-9a-f]{{{_ID_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token: `id` is how its digest begins, times are microseconds. `used_at` is to the minute."""

    id: str
    owner: str
    name: str | None
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None
    used_at: int | None


def check_name(name: str) -> str:
    """The name, if it can be one; raises BadUser."""
    if not _NAME.fullmatch(name) or _ID.fullmatch(name):
        raise BadUser(
            f"a token's name is 1 to 64 of the characters A-Z a-z 0-9 _ . @ -, and not like an id, not {name!r}"
        )
    return name


def parse_scopes(text: str) -> tuple[str, ...]:
    """`read,write` as scopes, in their usual order; raises BadUser."""
    wanted = {word.strip() for word in text.split(",")}
    if not wanted <= set(SCOPES):
        raise BadUser(f"scopes are one or more of {', '.join(SCOPES)}, with commas between them, not {text!r}")
    return in_order(wanted)


def in_order(scopes: Collection[str]) -> tuple[str, ...]:
    """Scopes in their usual order, each once."""
    return tuple(scope for scope in SCOPES if scope in scopes)


def of(database: Database, owner: str | None = None) -> list[Token]:
    """The tokens of a user, or of all, the oldest first."""
    select = (
        "SELECT t.digest, a.name, t.name, t.scopes, t.created_at, t.expires_at, t.used_at"
        " FROM token t JOIN account a ON a.id = t.account_id"
    )
    order = "ORDER BY t.created_at, t.digest"
    if owner is None:
        rows = database.all(" ".join((select, order)))
    else:
        rows = database.all(" ".join((select, "WHERE a.name = ?", order)), owner)
    return [Token(row[0][:_ID_DIGITS], row[1], row[2], tuple(row[3].split(",")), *row[4:]) for row in rows]


def id_of(token: str) -> str:
    """The id under which a token is listed."""
    return digest(token)[:_ID_DIGITS]


def revoke(database: Database, account_id: int, id_or_name: str) -> int:
    """Deletes a user's token by its id or name; answers how many that were. Belongs into a `write()`."""
    if "\0" in id_or_name:  # which PostgreSQL would not even look up
        return 0
    return database.run(
        "DELETE FROM token WHERE account_id = ? AND (name = ? OR substr(digest, 1, ?) = ?)",
        account_id, id_or_name, _ID_DIGITS, id_or_name,
    )  # fmt: skip


def revoke_all(database: Database, account_id: int) -> int:
    """Deletes all tokens of a user; answers how many. Belongs into a `write()`."""
    return database.run("DELETE FROM token WHERE account_id = ?", account_id)
