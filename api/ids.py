"""Ids of tasks: they sort by time of creation, and are safe in a URL and in a job's id."""

import re
import secrets
import threading

from . import clock

# 14 hexadecimal digits of microseconds last until the year 4253; 16 random ones keep processes apart.
PATTERN = re.compile(r"[0-9a-f]{30}")


class IdMaker:
    """Makes ids that grow strictly within this process, also when the clock stands still or steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def make(self, count: int) -> list[str]:
        """`count` new ids, ascending."""
        with self._lock:
            first = max(clock.now(), self._last + 1)
            self._last = first + count - 1
        return [f"{first + n:014x}{secrets.token_hex(8)}" for n in range(count)]


def moment(task_id: str) -> int:
    """The time of an id, in microseconds since the epoch."""
    return int(task_id[:14], 16)


def bound(moment: int) -> str:
    """What sorts before every id of that time or later, and after every earlier one."""
    return f"{min(max(moment, 0), 16**14 - 1):014x}"
