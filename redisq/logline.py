"""A line of a job's log: what it is in Redis, and what it is to a reader. See log.lua and scribe.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from .times import as_datetime

_MARK = "…".encode()
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[int, int, float, int, str])


class LogEntry(NamedTuple):
    """What a job logged. `time`: aware, in UTC, by the clock of the worker's machine; `attempt`: in which one."""

    time: datetime
    text: str
    attempt: int


def encode(delivery: int, number: int, ms: int, attempt: int, text: str, most: int) -> bytes:
    """The entry number `number` of a delivery. `most`: bytes of the text; of a longer one the beginning, and a mark."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > most:
        data = data[: max(0, most - len(_MARK))].decode("utf-8", "ignore").encode() + _MARK
    return _encoder.encode((delivery, number, ms, attempt, data.decode()))


def read(lines: Iterable[bytes]) -> list[LogEntry]:
    """What cannot be read is left out."""
    entries = []
    for line in lines:
        try:
            _, _, ms, attempt, text = _decoder.decode(line)
            entries.append(LogEntry(as_datetime(ms), text, attempt))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, OSError):
            continue
    return entries
