"""What operators do with a queue as a whole: count, pause, limit, purge, and act on the jobs that a filter chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from . import bulk, keys
from .connection import evalsha
from .endpoint import Command
from .errorgroups import ErrorGroups, error_groups
from .errors import InvalidOption
from .policy import QueueLimits, limits_of
from .scripts import COUNTS, LIMIT, PAUSE, Script
from .search import Filter
from .settings import Settings
from .survey import Survey, WorkerInfo


class OperatedQueue:
    """One queue, as a whole."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = keys.check_name(name)
        self.base = keys.queue_base(settings.namespace, name)
        self._settings = settings

    def counts(self) -> dict[str, int]:
        """Jobs by status, of those that have not ended well, at one moment."""
        return dict(zip(("scheduled", "queued", "running", "failed"), map(int, self._run(COUNTS)), strict=True))

    def workers(self) -> list[WorkerInfo]:
        """The workers that are registered with it, and what they hold."""
        return Survey(self._settings).workers([self.name])

    def error_groups(self, most: int = 2000) -> ErrorGroups:
        """The newest dead letters, `most` at most, grouped by task, type of exception and first line of the error."""
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InvalidOption(f"most: a whole number from 1 on, not {most!r}")
        return error_groups(self._settings, self.name, most)

    def act(self, act: str, chosen_by: Filter, cursor: str | None = None) -> Iterator[bulk.Portion]:
        """Have all that the filter chooses retried (dead letters), cancelled (unfinished jobs) or deleted (all but
        those that run): "retry", "cancel", "delete". It is done as the iterator is read, about a hundred entries at a
        time, so who reads no further stops it; each portion tells how many of how many, and the cursor with which
        another call goes on behind it. InvalidOption.
        """
        return bulk.by_filter(self._settings, self.name, act, chosen_by, cursor)

    def purge(self) -> int:
        """Cancel all jobs that wait or are scheduled. Answers how many."""
        return sum(portion.done for portion in self.purging())

    def purging(self) -> Iterator[bulk.Portion]:
        """As `purge`, done as the iterator is read, so that it can be watched and stopped: a portion for each step."""
        return bulk.purge(self._settings, self.name)

    def limit(self, rate: str | None = None, concurrency: int | None = None) -> None:
        """How many of the queue's jobs may start in a time ("3/s", "100/min") and run at once, over all workers, from
        now on; None for any number. InvalidOption.
        """
        limits = limits_of("=", rate, concurrency)
        self._run(LIMIT, msgspec.json.encode(limits) if limits else "")

    def limits(self) -> QueueLimits:
        """What `limit` has set."""
        return QueueLimits.parse(self._call([("HGET", self.base + keys.NAMES["state"], "limits")])[0])

    def pause(self) -> None:
        """Let nothing be claimed from now on; what runs goes on."""
        self._run(PAUSE, "1")

    def resume(self) -> None:
        self._run(PAUSE, "0")

    def _call(self, commands: Sequence[Command], patience: float | None = None) -> list[Any]:
        shard = self._settings.server.shard(self.base)
        return shard.ask(commands, self._settings.patience if patience is None else patience)

    def _run(self, script: Script, *args: Any) -> Any:
        return self._call([evalsha(script, [self.base], args)])[0]
