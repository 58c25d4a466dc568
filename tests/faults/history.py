"""The history of a fault run: what was asked for, answered, begun and ended, as lines in files outside of any server.

A line is a JSON object with the event (`e`), the time on the machine's monotonic clock (`t`), and what belongs to it.
Lines are appended by one write, so that those of several processes never mix and a killed process leaves none in part.

event      fields                                     written by
---------  -----------------------------------------  -----------------------------------------------------------
invoke     keys, sorts, feed                          a producer, before it asks; the key names a job for the checker
ack        keys, ids                                  a producer, when it was told that they are there
refused    keys, error                                a producer, when nothing was made
unknown    keys, error                                a producer, when it cannot know
cancel     id                                         a producer, before it asks
cancelled  id, status                                 a producer, with the job's status in the answer
start      key, sort, id, token, pid, ppid, slot      whoever runs a job, as its first act
end        id, token, how, pid, slot                  ... and as its last: see `Run` in facts.py
told       id, status, token                          a reader of the feed
fault      n, kind, target, pids                      the nemesis, before it acts
over       n                                          the nemesis, when the fault is over
missed     n, why                                     the nemesis, when there was nothing to hit
held       what                                       the run, when something has not ended though nothing is in its way
died       slot, code                                 the fleet, when a process ended that nobody had ended
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

Event = dict[str, Any]


class History:
    """Appends to one file; threads, and processes that were forked, may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, event: str, **fields: object) -> None:
        os.write(self._fd, _encode({"e": event, "t": round(time.monotonic(), 4), **fields}) + b"\n")


def read(directory: Path) -> Iterator[Event]:
    """All events in a directory's files: those of one file in order."""
    for path in sorted(directory.glob("*.jsonl")):
        yield from read_file(path)


def read_file(path: Path) -> Iterator[Event]:
    with path.open("rb") as lines:
        for line in lines:
            yield _decode(line)
