"""What the jobs do, the same for every peer.

A job says that it ran with a record at the end of a file: one write of 16 bytes, which neither threads nor processes
can tear, costs two microseconds, and leaves the server alone.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path

#: A number, and nanoseconds of the monotonic clock, which processes share.
MARK = struct.Struct("=qq")
#: Seconds that a job of the crash takes.
NAP = 0.05

_marks = os.open(os.environ.get("PEERS_MARKS", os.devnull), os.O_WRONLY | os.O_APPEND)


def noop() -> None:
    """Nothing but to say so."""
    _mark(0)


def stamp(sent: int) -> None:
    """Say when this was sent, and when it started."""
    _mark(sent)


def double(number: int) -> int:
    """Something that has a result."""
    return 2 * number


def nap(number: int) -> None:
    """Say when this starts, and when it is done: the number, and its negative."""
    _mark(number)
    time.sleep(NAP)
    _mark(-number)


async def async_nap(number: int) -> None:
    """The same, for workers with an event loop."""
    _mark(number)
    await asyncio.sleep(NAP)
    _mark(-number)


def read(file: Path) -> list[tuple[int, int]]:
    """All marks in the order in which they were made."""
    data = file.read_bytes()
    return list(MARK.iter_unpack(data[: len(data) // MARK.size * MARK.size]))


def count(file: Path) -> int:
    """How many marks there are."""
    return file.stat().st_size // MARK.size


def _mark(number: int) -> None:
    os.write(_marks, MARK.pack(number, time.monotonic_ns()))
