"""Job ids of the library's own: 22 characters of 0-9 a-z that sort by time, also within a millisecond of a process."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: in ASCII order, without i l o u
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_RANDOM_BITS = 60

_lock = threading.Lock()
_random = random.Random()  # not the module's own, whose sequence is the application's
_last_ms, _last_bits, _prefix = 0, 0, ""


def _after_fork() -> None:
    """A lock that another thread held at a fork stays locked in the child."""
    global _lock
    _lock = threading.Lock()
    _random.seed()


os.register_at_fork(after_in_child=_after_fork)


def new_id() -> str:
    """50 bits of milliseconds, then 60 random bits, which only grow while the millisecond lasts."""
    global _last_ms, _last_bits, _prefix
    with _lock:
        ms, bits, p = time.time_ns() // 1_000_000, _random.getrandbits(_RANDOM_BITS), _PAIRS
        if ms <= _last_ms and bits <= _last_bits:
            bits = _last_bits + 1 + _random.getrandbits(32)
            if bits >> _RANDOM_BITS:  # the millisecond is full
                ms, bits = _last_ms + 1, 0
        if ms > _last_ms:
            _prefix = f"{p[ms >> 40]}{p[ms >> 30 & 1023]}{p[ms >> 20 & 1023]}{p[ms >> 10 & 1023]}{p[ms & 1023]}"
            _last_ms = ms
        _last_bits = n = bits
        return (
            f"{_prefix}{p[n >> 50]}{p[n >> 40 & 1023]}{p[n >> 30 & 1023]}"
            f"{p[n >> 20 & 1023]}{p[n >> 10 & 1023]}{p[n & 1023]}"
        )


def nonce(characters: int) -> str:
    """A short random text, for what need not sort."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(characters))
