"""Doctor: finds what cannot come about by the scripts alone, but by hands, bugs or lost data; and puts it right.

It looks over all keys of a queue while the queue is in use. What looks wrong is only a suspicion, since jobs move
meanwhile; each is looked at again, and mended, by a script.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from . import keys, ties
from .claimed import Source
from .claimer import giving_back
from .codec import as_text
from .connection import evalsha
from .endpoint import Command
from .scripts import MEND
from .settings import Settings

_PAGE = 500
#: Types of the keys that are one of a kind.
TYPES = {
    "pending": b"list",
    "suspects": b"list",
    "scheduled": b"zset",
    "dead": b"zset",
    "workers": b"zset",
    "calls": b"hash",
    "ended": b"list",
    "forward": b"list",
    "wake": b"list",
    "state": b"hash",
    "cron": b"hash",
}
DONE = {
    "bury": "has no readable record: put into the dead letters",
    "queue": "was in no place: queued again",
    "schedule": "was in no place: scheduled for now",
    "dead": "had failed and was in no place: put into the dead letters",
    "expire": "had ended and would have been kept for ever: given a TTL",
    "forget": "is gone, and what it logged was there: deleted",
    "tie": "waited for a job that would not have told it of its end: it was told, or will be",
    "give back": "is not registered and held jobs: they were queued again",
    "set aside": "has a wrong type: renamed, so that the queue can work",
}


class Finding(NamedTuple):
    """Something that was not right. `subject`: a job's id, a worker or a key; `kind`: a key of DONE."""

    queue: str
    subject: str
    kind: str

    def __str__(self) -> str:
        return f"{self.queue}: {self.subject} {DONE[self.kind]}"


class Doctor:
    """Looks over one queue. With `dry_run` it only tells what it would do."""

    def __init__(self, settings: Settings, queue: str, dry_run: bool = False) -> None:
        self._settings = settings
        self._queue = keys.check_name(queue)
        self._base = keys.queue_base(settings.namespace, queue)
        self._dry_run = dry_run

    def run(self) -> Iterator[Finding]:
        """What was found, each as it is mended. ServerUnavailable, ServerRefused."""
        broken = list(self._broken_keys())
        yield from (self._set_aside(name) for name in broken)
        if not (self._dry_run and broken):
            yield from self._ghosts()
            yield from self._misplaced()
            yield from self._cut()

    def _broken_keys(self) -> Iterator[str]:
        for name, expected in TYPES.items():
            found = self._call(("TYPE", self._key(name)))
            if found not in (expected, b"none"):
                yield name

    def _set_aside(self, name: str) -> Finding:
        if not self._dry_run:
            seconds = self._call(("TIME",))[0].decode()
            self._call(("RENAME", self._key(name), f"{self._key('broken')}{seconds}:{name}"))
        return Finding(self._queue, self._key(name), "set aside")

    def _ghosts(self) -> Iterator[Finding]:
        """Workers that hold jobs and are not registered."""
        for key in self._scan(self._key("claimed")):
            worker = key.removeprefix(self._key("claimed"))
            if self._call(("HEXISTS", self._key("calls"), worker)):
                continue
            if not self._dry_run:
                source = Source(self._queue, self._base)
                for command in giving_back(self._settings, [source], worker):
                    self._call(command)
            yield Finding(self._queue, worker, "give back")

    def _misplaced(self) -> Iterator[Finding]:
        """Jobs that are not where their record says, and entries of places without a record."""
        records = {key.removeprefix(self._key("job")) for key in self._scan(self._key("job"))}
        logs = {key.removeprefix(self._key("log")) for key in self._scan(self._key("log"))}
        for local_id in sorted(records | logs | set(self._placed())):
            raw = local_id.encode("utf-8", "surrogateescape")
            ttl = self._settings.retention.ended_args[1]
            found = self._call(evalsha(MEND, [self._base], (raw, "0" if self._dry_run else "1", ttl))).decode()
            if found != "fine":
                yield Finding(self._queue, as_text(raw), found)

    def _cut(self) -> Iterator[Finding]:
        """Jobs that wait for parents which will not tell them."""
        for local_id, parents in ties.cut(self._settings, self._queue):
            if not self._dry_run:
                ties.tie(self._settings, self._queue, local_id, parents)
            yield Finding(self._queue, local_id, "tie")

    def _placed(self) -> Iterator[str]:
        for name in ("pending", "suspects"):
            yield from self._pages("LRANGE", self._key(name))
        for name in ("scheduled", "dead"):
            yield from self._pages("ZRANGE", self._key(name))

    def _pages(self, command: str, key: str) -> Iterator[str]:
        start = 0
        while page := self._call((command, key, start, start + _PAGE - 1)):
            yield from (entry.decode("utf-8", "surrogateescape") for entry in page)
            start += _PAGE

    def _scan(self, prefix: str) -> Iterator[str]:
        pattern = "".join(f"\\{c}" if c in "*?[]\\" else c for c in prefix) + "*"
        cursor = b"0"
        while True:
            cursor, page = self._call(("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE))
            yield from (key.decode("utf-8", "surrogateescape") for key in page)
            if cursor == b"0":
                return

    def _key(self, name: str) -> str:
        return f"{self._base}{keys.NAMES[name]}"

    def _call(self, command: Command) -> Any:
        return self._settings.server.shard(self._base).ask([command], self._settings.patience)[0]
