"""Looking through the jobs of a queue: by filter, in pages, whose cost does not grow with the queue.

A cursor names the last entry that was looked at and where it stood. Entries that come or go meanwhile move the others:
the next page begins behind that entry where it now is. So a page may repeat what has moved, and passes over nothing
that stays in its place, unless hundreds before it leave from the middle of a list between two pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from . import keys
from .codec import as_text
from .endpoint import Command
from .errorgroups import summary
from .errors import InvalidOption
from .job import STATUSES
from .settings import Settings
from .times import check_aware

#: Entries that one page looks through at most, and those of one round trip.
LOOKED_THROUGH = 2000
PORTION = 100
#: How far an entry of a list may have moved between two pages, to be found again.
_SLACK = 500
_CODES = {status: code for code, status in STATUSES.items()}
_LISTS = {"queued": ("pending", "suspects"), "succeeded": ("ended",), "cancelled": ("ended",)}
_SORTED = {"scheduled": "scheduled", "failed": "dead"}


@dataclass(frozen=True)
class Filter:
    """Which jobs of a queue. `status`: where they are. `task`: its name. `text`: stands in the id, the arguments (as
    JSON has them) or the error; capitals count as small letters. `since`, `until`: aware; enqueued from then on, and
    before that. `error`: the `summary` of an ErrorGroup; together with its `task`, '' for jobs without one, it chooses
    that group. InvalidOption.
    """

    status: str
    task: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.status not in _CODES:
            raise InvalidOption(f"status: one of {', '.join(STATUSES.values())}, not {self.status!r:.80}")
        for name in ("task", "text", "error"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InvalidOption(f"{name}: a text, not {value!r:.80}")
        for name in ("since", "until"):
            if getattr(self, name) is not None:
                check_aware(getattr(self, name), name)

    @property
    def fields(self) -> tuple[str, ...]:
        """What of a record tells whether it is meant."""
        return ("s", "t", "e", "v", "x", "b")[: 6 if self.text else 5 if self.error is not None else 4]

    def chooses(self, local_id: bytes, record: Any) -> bool:
        """Whether the job is meant, by these fields of its record; an error, where that is of a wrong type, is none."""
        if isinstance(record, Exception):
            return False
        status, task, enqueued, version, *texts = record
        if version is None or (status or b"") != _CODES[self.status]:
            return False
        if self.task is not None and (task or b"") != self.task.encode():
            return False
        if self.since is not None or self.until is not None:
            ms = int(enqueued) if enqueued and enqueued.isdigit() else 0
            if self.since is not None and ms < self.since.timestamp() * 1000:
                return False
            if self.until is not None and ms >= self.until.timestamp() * 1000:
                return False
        if self.error is not None and summary(as_text(texts[0] or b"")) != self.error:
            return False
        if not self.text:
            return True
        wanted = self.text.casefold()
        return any(wanted in as_text(text).casefold() for text in (local_id, *texts) if text)


J = TypeVar("J")


class Cursor(NamedTuple):
    """Behind which entry to go on. `place`: its key, below the base; `at`: of a list its index, of a sorted set the
    score. As a text it is for passing on only.
    """

    place: str
    at: str = ""
    local_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """InvalidOption."""
        place, _, rest = text.partition("|")
        at, _, local_id = rest.partition("|")
        is_number = len(at) < 20 and at.replace(".", "", 1).isdecimal()
        if not place or not (is_number or text == f"{place}||"):
            raise InvalidOption(f"cursor: not one that a page has answered: {text!r:.80}")
        return cls(place, at, local_id)

    def __str__(self) -> str:
        return "|".join(self)


class JobPage(NamedTuple, Generic[J]):
    """Jobs, the newest of each place first. `cursor`: for the next page; None if there is none. `seen`: how many
    entries were looked through for it: a page may have few jobs, or none, though others follow.
    """

    jobs: list[J]
    cursor: str | None
    seen: int


class Portion(NamedTuple):
    """Entries that were looked at, where each stands, those that the filter chooses, and behind what they began."""

    ids: list[bytes]
    cursors: list[Cursor]
    chosen: list[bytes]
    began: Cursor


class Walk:
    """Goes through the places in which jobs of a status are, the newest of each first."""

    def __init__(self, settings: Settings, queue: str, chosen_by: Filter, cursor: str | None = None) -> None:
        self._settings = settings
        self._base = keys.queue_base(settings.namespace, queue)
        self._filter = chosen_by
        self._cursor = None if cursor is None else Cursor.parse(cursor)

    @property
    def cursor(self) -> Cursor | None:
        """Behind which the next portion begins; None before the first."""
        return self._cursor

    def portions(self) -> Iterator[Portion]:
        """One for each round trip or two; `behind` may be told before the next is asked for."""
        places = self._places()
        if self._cursor is not None:
            names = [place for place, _ in places]
            if self._cursor.place not in names:
                return
            places = places[names.index(self._cursor.place) :]
        for place, is_sorted in places:
            if self._cursor is not None and self._cursor.place != place:
                self._cursor = None
            while True:
                began = self._cursor or Cursor(place)
                ids, cursors = self._sorted(place) if is_sorted else self._listed(place)
                if not ids:
                    break
                fields = self._filter.fields
                job = self._base + keys.NAMES["job"]
                looks: list[Command] = [("HMGET", job.encode() + local_id, *fields) for local_id in ids]
                records = self._settings.server.shard(self._base).call(looks, self._settings.patience)
                chosen = [i for i, row in zip(ids, records, strict=True) if self._filter.chooses(i, row)]
                self._cursor = cursors[-1]
                yield Portion(ids, cursors, chosen, began)

    def behind(self, cursor: Cursor, gone: int) -> None:
        """Go on behind this one: those after it have left their place, and up to `gone` of those before it."""
        is_list = cursor.at and cursor.place not in map(keys.NAMES.get, _SORTED.values())
        self._cursor = cursor._replace(at=str(max(0, int(cursor.at) - gone))) if is_list else cursor

    def _places(self) -> list[tuple[str, bool]]:
        status = self._filter.status
        if status in _SORTED:
            return [(keys.NAMES[_SORTED[status]], True)]
        if status == "running":
            workers = self._ask([("ZRANGE", self._base + keys.NAMES["workers"], 0, -1)])[0]
            return sorted((keys.NAMES["claimed"] + as_text(worker), False) for worker in workers)
        return [(keys.NAMES[name], False) for name in _LISTS[status]]

    def _listed(self, place: str) -> tuple[list[bytes], list[Cursor]]:
        after = self._cursor
        at = int(float(after.at)) if after is not None and after.at else -1
        first = max(0, at - _SLACK)
        window = self._ask([("LRANGE", self._base + place, first, at + _SLACK + PORTION)])[0]
        start = at + 1
        if after is not None and (anchor := after.local_id.encode()) in window:
            start = first + window.index(anchor) + 1
        ids = window[start - first : start - first + PORTION]
        return ids, [Cursor(place, str(start + n), as_text(local_id)) for n, local_id in enumerate(ids)]

    def _sorted(self, place: str) -> tuple[list[bytes], list[Cursor]]:
        key, after, start = self._base + place, self._cursor, 0
        if after is not None and after.at:
            rank, newer = self._ask([("ZREVRANK", key, after.local_id), ("ZCOUNT", key, f"({after.at}", "+inf")])
            start = newer if rank is None else rank + 1
        flat = self._ask([("ZREVRANGE", key, start, start + PORTION - 1, "WITHSCORES")])[0]
        ids, scores = flat[::2], flat[1::2]
        return ids, [Cursor(place, as_text(s), as_text(i)) for i, s in zip(ids, scores, strict=True)]

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        return self._settings.server.shard(self._base).ask(commands, self._settings.patience)


def look_through(walk: Walk, limit: int) -> tuple[list[str], str | None, int]:
    """Up to `limit` ids that the filter chooses, the cursor behind them, and how many entries were seen."""
    found: list[str] = []
    seen = 0
    for ids, cursors, chosen, _ in walk.portions():
        if len(found) + len(chosen) >= limit:
            last = chosen[limit - len(found) - 1]
            found += map(as_text, chosen[: limit - len(found)])
            at = ids.index(last)
            return found, str(cursors[at]), seen + at + 1
        found += map(as_text, chosen)
        seen += len(ids)
        if seen >= LOOKED_THROUGH:
            return found, str(cursors[-1]), seen
    return found, None, seen
