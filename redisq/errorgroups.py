"""Dead letters grouped by their error, so that a thousand failures of one cause are one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from . import keys
from .codec import as_text
from .endpoint import Command
from .job import STATUSES
from .settings import Settings
from .times import as_datetime

#: Dead letters of one round trip, and characters of an error that are told.
_PORTION = 500
_LONGEST = 300
#: What differs from one failure to the next of the same cause.
_VARIABLE = re.compile(
    r"0x[0-9a-fA-F]+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|\b(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{16,}\b"
    r"|\d+(?:\.\d+)*"
)
_TYPE = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Dead letters of one task with one error. `kind`: the type of the exception, '' if the error names none.
    `message`: the error's line, with # for numbers and ids. `newest`: full id of the last of them, which failed at
    `last`; the first, of those looked at, failed at `first`.
    """

    task: str | None
    kind: str
    message: str
    count: int
    newest: str
    last: datetime
    first: datetime

    @property
    def summary(self) -> str:
        """Kind and message, as Filter takes them."""
        return _joined(self.kind, self.message)


@dataclass(frozen=True, slots=True)
class ErrorGroups:
    """The largest group first. `seen`: how many dead letters were looked at, the newest ones, of `total`."""

    groups: list[ErrorGroup]
    seen: int
    total: int

    @property
    def is_sample(self) -> bool:
        """Whether there are more than were looked at."""
        return self.seen < self.total


def normalised(error: str) -> tuple[str, str]:
    """The type of the exception and what the line says apart from it, without what differs from job to job."""
    line = next((line.strip() for line in error.splitlines() if line.strip()), "")[:_LONGEST]
    named = _TYPE.match(line)
    kind = named[1] if named else ""
    rest = line[named.end() :].strip() if named else line
    return kind, _VARIABLE.sub("#", rest)


def summary(error: str) -> str:
    """The same in one line."""
    return _joined(*normalised(error))


def _joined(kind: str, message: str) -> str:
    return f"{kind}: {message}" if kind and message else kind or message


def error_groups(settings: Settings, queue: str, most: int) -> ErrorGroups:
    """Of the newest dead letters, up to `most`. ServerUnavailable, ServerRefused."""
    base = keys.queue_base(settings.namespace, queue)
    shard, dead, job = settings.server.shard(base), base + keys.NAMES["dead"], base + keys.NAMES["job"]
    found: dict[tuple[str | None, str, str], ErrorGroup] = {}
    total, seen = int(shard.ask([("ZCARD", dead)], settings.patience)[0]), 0
    while seen < most:
        size = min(_PORTION, most - seen)
        page: Command = ("ZREVRANGE", dead, seen, seen + size - 1, "WITHSCORES")
        flat = shard.ask([page], settings.patience)[0]
        if not flat:
            break
        ids, scores = flat[::2], [as_datetime(float(score)) for score in flat[1::2]]
        looks: list[Command] = [("HMGET", job.encode() + local_id, "t", "x", "s") for local_id in ids]
        for local_id, failed, record in zip(ids, scores, shard.call(looks, settings.patience), strict=True):
            if isinstance(record, Exception) or STATUSES.get(record[2] or b"") != "failed":
                continue
            task = as_text(record[0]) if record[0] else None
            kind, message = normalised(as_text(record[1] or b""))
            group = found.get((task, kind, message))
            if group is None:
                group = ErrorGroup(task, kind, message, 0, f"{queue}.{as_text(local_id)}", failed, failed)
            found[task, kind, message] = replace(group, count=group.count + 1, first=failed)
        seen += len(ids)
    return ErrorGroups(sorted(found.values(), key=lambda group: (-group.count, group.newest)), seen, max(total, seen))
