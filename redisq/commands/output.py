"""What commands print: aligned columns, or one JSON object a line. Nothing that others wrote reaches the terminal as it
is: an error, an id, a task's name may hold anything.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import msgspec

from ..job import Job

_OF_A_JOB = (
    *("id", "queue", "task", "args", "kwargs", "payload", "status", "result", "error"),
    *("attempt", "progress", "created_at", "started_at", "finished_at"),
)
#: A number, or a duration.
_FIGURE = re.compile(r"-|-?\d+(\.\d+)?([smhd](\d+[smh])?)?")
#: Of what stands out in a table, by its text.
STYLES = {
    "running": "green",
    "succeeded": "green",
    "scheduled": "cyan",
    "failed": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "unreadable": "red",
}


def safe(text: object, longest: int | None = None) -> str:
    """The text on one line, with escapes for all that is not printed but obeyed: controls, escapes of terminals,
    changes of direction. `longest`: characters, the last of them an ellipsis if some are left out.
    """
    text = str(text)
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def show_json(record: Any) -> None:
    """One line. It is ASCII, so nothing in it is obeyed."""
    print(as_json(record), flush=True)


def as_json(value: Any) -> str:
    return json.dumps(value, default=_plain).replace("\x7f", "\\u007f")


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else str(value)


def job_record(job: Job) -> dict[str, Any]:
    """All that a job tells. Times are RFC 3339."""
    values = {name: getattr(job, name) for name in _OF_A_JOB}
    return {name: moment(value) if isinstance(value, datetime) else value for name, value in values.items()}


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns. What are numbers stands on the right. On a terminal, and with rich, in colours and as wide as it is."""
    cells = [[safe(cell) for cell in row] for row in rows]
    numbers = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(headers))]
    if sys.stdout.isatty() and find_spec("rich"):
        from .styled import print_table

        print_table(headers, cells, numbers)
        return
    lines = [list(headers), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    for line in lines:
        columns = zip(line, widths, numbers, strict=True)
        print("  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in columns).rstrip())


def _is_number(cell: str) -> bool:
    return _FIGURE.fullmatch(cell) is not None


def duration(seconds: float | None) -> str:
    """For people: 0.35s, 12s, 3m05s, 2h10m, 4d03h."""
    if seconds is None:
        return "-"
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 9.995:
        return f"{sign}{seconds:.2f}s"
    whole = round(seconds)
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{sign}{whole // size}{unit}{whole % size // part:02d}{below}"
    return f"{sign}{whole}s"


def size(count: int) -> str:
    """Bytes, for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def moment(time: datetime | None, timespec: str = "milliseconds") -> str | None:
    """RFC 3339, in UTC."""
    return None if time is None else time.isoformat(timespec=timespec).replace("+00:00", "Z")
