"""The secrets of a user in the database, of each endpoint and for the callback URLs of his tasks.

They are kept as they are, since signing needs them; whoever asks for one gets a new one, once.
"""

from .. import clock
from ..database import Database
from . import signing

#: For so long both secrets are valid, and messages carry a signature by each.
OVERLAP = 24 * 3600 * clock.SECOND

_VALID = (
    "SELECT secret FROM webhook_secret WHERE account_id = ? AND webhook_id = ?"
    " AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at DESC"
)
_DROP = "DELETE FROM webhook_secret WHERE account_id = ? AND webhook_id = ? AND expires_at IS NOT NULL"
_EXPIRE = "UPDATE webhook_secret SET expires_at = ? WHERE account_id = ? AND webhook_id = ?"
_INSERT = "INSERT INTO webhook_secret (secret, account_id, webhook_id, created_at) VALUES (?, ?, ?, ?)"


def valid(database: Database, account_id: int, webhook_id: str) -> list[str]:
    """The secrets to sign with, the newest first. Who has never asked for one has one all the same."""
    if not (found := _valid(database, account_id, webhook_id)):
        with database.write():
            database.lock(f"webhook_secret.{account_id}.{webhook_id}")
            found = _valid(database, account_id, webhook_id) or [rotate(database, account_id, webhook_id)]
    return found


def rotate(database: Database, account_id: int, webhook_id: str) -> str:
    """A new secret; the one before it is valid for a while, those before that are not. Belongs into a `write()`."""
    now, secret = clock.now(), signing.new_secret()
    database.run(_DROP, account_id, webhook_id)
    database.run(_EXPIRE, now + OVERLAP, account_id, webhook_id)
    database.run(_INSERT, secret, account_id, webhook_id, now)
    return secret


def _valid(database: Database, account_id: int, webhook_id: str) -> list[str]:
    return [secret for (secret,) in database.all(_VALID, account_id, webhook_id, clock.now())]
