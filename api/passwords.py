"""Hashing and checking of passwords: argon2id with the parameters that OWASP asks of a small machine."""

import base64
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MAX_LENGTH = 1024
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# No password has this hash, and to find that out takes as long as for any other of today's parameters.
_NOBODYS = "$".join(
    (
        "",
        "argon2id",
        "v=19",
        f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}",
        base64.b64encode(bytes(_HASHER.salt_len)).decode().rstrip("="),
        base64.b64encode(bytes(_HASHER.hash_len)).decode().rstrip("="),
    )
)

# A hash takes 19 MiB and some 30 ms of one core: more at once than this would only starve the other requests.
_AT_ONCE = threading.BoundedSemaphore(2)


def hashed(password: str) -> str:
    """The encoded hash of a password, with parameters and salt."""
    return _HASHER.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one. A user who does not exist (None) takes the same time, and is a no."""
    if len(password) > MAX_LENGTH:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _NOBODYS, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)
