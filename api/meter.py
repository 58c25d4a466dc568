"""Counts of requests, together for all processes of one service.

gunicorn's processes share a file, in which each has a part of its own to write to: a lock on the part says that it is
taken, and ends with the process, however that ends. The next process goes on counting there, so that nothing ever
counts backwards; whoever is asked adds all parts up. Without a file a process counts for itself.
"""

import fcntl
import mmap
import os
import stat
import struct
import tempfile
import threading
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

#: Upper bounds of the buckets, in seconds; there is one more for what takes longer.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PARTS = 64
ROWS = 256

Key = tuple[str, str, str]  # method, route, status
_REST = ("other", "other", "other")
_KEY = 120
_VALUES = struct.Struct(f"={1 + len(BOUNDS) + 1}d")  # seconds in all, then the number in each bucket
_ROW = _KEY + _VALUES.size
_PART = ROWS * _ROW


class Meter:
    """Counts and times requests; safe to share between threads."""

    def __init__(self, path: str | None = None) -> None:
        """`path`: the file, which is made if need be. OSError if it cannot be used, or all its parts are taken."""
        self._lock = threading.Lock()
        self._rows: dict[Key, int] = {}
        self._file = -1
        if path is None:
            self._memory, self._start = mmap.mmap(-1, _PART), 0
            return
        self._file = _open(path)
        self._start = _take_part(self._file) * _PART
        self._memory = mmap.mmap(self._file, PARTS * _PART)
        self._rows = {key: start for start, key in _keys(self._memory, self._start)}

    def count(self, key: Key, seconds: float) -> None:
        """Notes a request that took so long."""
        bucket = bisect_left(BOUNDS, seconds)
        with self._lock:
            start = self._rows.get(key)
            if start is None:
                start = self._new_row(key)
            values = list(_VALUES.unpack_from(self._memory, start + _KEY))
            values[0] += seconds
            values[1 + bucket] += 1
            _VALUES.pack_into(self._memory, start + _KEY, *values)

    def read(self) -> dict[Key, list[float]]:
        """By key, over all processes: seconds in all, then the number in each bucket."""
        total: dict[Key, list[float]] = {}
        for part in range(0, len(self._memory), _PART):
            for start, key in _keys(self._memory, part):
                values = _VALUES.unpack_from(self._memory, start + _KEY)
                before = total.get(key)
                total[key] = list(values) if before is None else [a + b for a, b in zip(before, values, strict=True)]
        return total

    def close(self) -> None:
        """Leaves its part to others."""
        self._memory.close()
        if self._file >= 0:
            os.close(self._file)

    def _new_row(self, key: Key) -> int:
        name = "\0".join(key).encode()
        if len(self._rows) >= ROWS - 1 or len(name) > _KEY:
            if _REST in self._rows:
                return self._rows[_REST]
            key, name = _REST, "\0".join(_REST).encode()
        start = self._rows[key] = self._start + len(self._rows) * _ROW
        self._memory[start : start + _KEY] = name.ljust(_KEY, b"\0")
        return start


def path_of_parent() -> str:
    """The file that all processes with this one's parent share: gunicorn's have one, also after a reload.

    The files of parents that are gone are removed.
    """
    folder = Path(tempfile.gettempdir(), f"redisq-api-{os.geteuid()}")
    for path in folder.glob("*.meter"):
        if path.stem.isdigit() and not _lives(int(path.stem)):
            path.unlink(missing_ok=True)
    return str(folder / f"{os.getppid()}.meter")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _open(path: str) -> int:
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(file)
        raise PermissionError(f"{path} is not a file of ours")
    if found.st_size < PARTS * _PART:
        os.ftruncate(file, PARTS * _PART)  # of zeros, of which the disk has none
    return file


def _take_part(file: int) -> int:
    for part in range(PARTS):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, part)
        except OSError:
            continue
        return part
    os.close(file)
    raise BlockingIOError("too many processes count requests in one file")


def _keys(memory: mmap.mmap, part: int) -> Iterator[tuple[int, Key]]:
    for start in range(part, part + _PART, _ROW):
        name = memory[start : start + _KEY].rstrip(b"\0")
        if not name:
            return
        method, route, status = name.decode().split("\0")
        yield start, (method, route, status)
