"""Signatures of jobs: who can write to Redis, but has no key, can have no worker run what he wrote."""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Sequence
from struct import Struct

from .errors import InvalidOption

#: The least bytes of a key.
SHORTEST = 32
#: Bytes of an HMAC-SHA256 that are kept: as hard to guess as a key of 128 bits.
LENGTH = 16
_DOMAIN = b"redisq signature 1"
_LENGTHS = Struct(">8Q")
_CHARACTERS = 22


class Signer:
    """Signs with the first of its keys, and accepts what any of them has signed.

    What is signed: namespace, queue, the job's id, its task, its body and its run options as they stand in its record.
    A call that may replace another one, under whose id it then stands, is bound to its unique key in place of the id:
    its signature has that key before a colon.
    """

    def __init__(self, namespace: str, keys: Sequence[bytes]) -> None:
        self.keys = tuple(keys)
        self._begun = [hmac.new(key, digestmod="sha256") for key in self.keys]
        self._namespace = namespace.encode()

    def __repr__(self) -> str:
        return f"<Signer {len(self.keys)} keys>"

    def sign(self, queue: str, local_id: str, task: bytes, body: bytes, run: bytes, unique: str = "") -> bytes:
        """`run`: the options as JSON, empty if there are none. `unique`: the key of a call that may replace another."""
        key = unique.encode()
        message = self._message(queue.encode(), local_id.encode(), task, body, run, key)
        signature = self._digest(self._begun[0], message)
        return key + b":" + signature if key else signature

    def accepts(self, queue: str, local_id: bytes, task: bytes, body: bytes, run: bytes, signature: bytes) -> bool:
        key, _, mine = signature.rpartition(b":")
        message = self._message(queue.encode(), local_id, task, body, run, key)
        return any(hmac.compare_digest(self._digest(one, message), mine) for one in self._begun)

    def _message(self, queue: bytes, local_id: bytes, task: bytes, body: bytes, run: bytes, unique: bytes) -> bytes:
        """The parts after all of their lengths, so that none can take over the end or the beginning of another."""
        bound = (b"unique", unique) if unique else (b"id", local_id)
        parts = (_DOMAIN, self._namespace, queue, *bound, task, run, body)
        return _LENGTHS.pack(*map(len, parts)) + b"".join(parts)

    @staticmethod
    def _digest(begun: hmac.HMAC, message: bytes) -> bytes:
        code = begun.copy()
        code.update(message)
        return b2a_base64(code.digest()[:LENGTH], newline=False)[:_CHARACTERS]


def signer(namespace: str, keys: Sequence[str | bytes] | None, environment: str | None) -> Signer | None:
    """None without keys. `environment`: keys by commas, which count if `keys` is None. InvalidOption, which quotes no
    key.
    """
    if keys is None:
        keys = [key.strip() for key in environment.split(",")] if environment else ()
    if isinstance(keys, str | bytes) or not isinstance(keys, Sequence):
        raise InvalidOption("signing_keys: a list of keys, the one to sign with first")
    return Signer(namespace, [_checked(number, key) for number, key in enumerate(keys, 1)]) if keys else None


def _checked(number: int, key: str | bytes) -> bytes:
    if not isinstance(key, str | bytes):
        raise InvalidOption(f"signing_keys: number {number} is of type {type(key).__name__}, not a text or bytes")
    data = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
    if len(data) < SHORTEST:
        raise InvalidOption(f"signing_keys: number {number} has {len(data)} bytes, and needs {SHORTEST} at least")
    return data
