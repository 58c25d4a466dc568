"""What is done to many jobs of a queue: in portions, so that nobody has to hold all of them.

Each function is a generator. Nothing happens before the first portion is asked for, and what a portion tells has been
done. ServerUnavailable, ServerRefused: the portions before it stay done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import keys
from .connection import evalsha
from .endpoint import Command
from .errors import InvalidOption
from .scripts import CANCEL, DELETE, PURGE, REVIVE, Script
from .search import Cursor, Filter, Walk
from .settings import Settings
from .times import server_ms

#: Jobs in one portion: each is answered with all that it carries.
PORTION = 100


class Portion(NamedTuple):
    """`done`: jobs to which it was done, of the entries that were `seen`. `cursor`: of what is done by a filter, for
    going on behind this portion, later or elsewhere.
    """

    done: int
    seen: int
    cursor: str | None = None


def purge(settings: Settings, queue: str) -> Iterator[Portion]:
    """Cancel all jobs that wait or are scheduled."""
    place = _Place(settings, queue)
    command = evalsha(PURGE, [place.base], settings.retention.ended_args)
    while True:
        done, seen = map(int, place.ask([command])[0])
        if not seen:
            return
        yield Portion(done, seen)


def stop_running(settings: Settings, queue: str) -> Iterator[Portion]:
    """Ask the jobs that run, or that a worker has claimed to run them next, to stop."""
    place = _Place(settings, queue)
    for worker in place.ask([("ZRANGE", place.key("workers"), 0, -1)])[0]:
        ids = place.ask([("LRANGE", place.key("claimed") + worker, 0, -1)])[0]
        for start in range(0, len(ids), PORTION):
            jobs = place.act(CANCEL, ids[start : start + PORTION], *settings.retention.ended_args)
            yield Portion(sum(job.get(b"m") == b"1" for job in jobs), len(jobs))


def revive(settings: Settings, queue: str, task: str | None = None) -> Iterator[Portion]:
    """Queue all dead letters again (of one task, if it is named), but for those that come while this goes on."""
    place = _Place(settings, queue)
    dead = place.key("dead")
    last, low, skip = server_ms(place.ask([("TIME",)])[0]), "-inf", 0
    while True:
        flat = place.ask([("ZRANGEBYSCORE", dead, low, last, "WITHSCORES", "LIMIT", skip, PORTION)])[0]
        if not flat:
            return
        ids, scores = flat[::2], flat[1::2]
        chosen = ids if task is None else place.of_task(ids, task)
        jobs = place.act(REVIVE, chosen)
        revived = {local_id for local_id, job in zip(chosen, jobs, strict=True) if job.get(b"s") != b"f"}
        yield Portion(len(revived), len(ids))
        # those that stay are passed over: the next portion begins at the last score, behind them
        end = scores[-1].decode()
        stay = sum(score == scores[-1] and i not in revived for i, score in zip(ids, scores, strict=True))
        low, skip = end, stay + (skip if end == low else 0)


#: What can be done to jobs by a filter, and to those of which status.
ACTS = {
    "retry": ("failed",),
    "cancel": ("queued", "scheduled", "running"),
    "delete": ("queued", "scheduled", "failed", "succeeded", "cancelled"),
}


def by_filter(
    settings: Settings, queue: str, act: str, chosen_by: Filter, cursor: str | None = None
) -> Iterator[Portion]:
    """Retry, cancel or delete the jobs that a filter chooses. A job that meanwhile is no longer such a one stays as it
    is; one that comes meanwhile is done if it comes where this has not been, but no dead letter is. InvalidOption.
    """
    if act not in ACTS:
        raise InvalidOption(f"act: one of {', '.join(ACTS)}, not {act!r:.80}")
    if chosen_by.status not in ACTS[act]:
        raise InvalidOption(f"{act}: of jobs that are {' or '.join(ACTS[act])}, not {chosen_by.status}")
    place = _Place(settings, queue)
    if cursor is None and chosen_by.status == "failed":  # else who is retried, and fails at once, would be again
        cursor = str(Cursor(keys.NAMES["dead"], str(server_ms(place.ask([("TIME",)])[0]))))
    walk = Walk(settings, queue, chosen_by, cursor)
    for portion in walk.portions():
        done = place.act_on(act, portion.chosen)
        if chosen_by.status != "running":  # who runs stays where it is until it has stopped
            stays = [at for i, at in zip(portion.ids, portion.cursors, strict=True) if i not in done]
            walk.behind(stays[-1] if stays else portion.began, len(done) if stays else 0)
        yield Portion(len(done), len(portion.ids), str(walk.cursor))


class _Place:
    """The keys of one queue, and calls to where they are."""

    def __init__(self, settings: Settings, queue: str) -> None:
        self.base = keys.queue_base(settings.namespace, keys.check_name(queue))
        self._settings = settings

    def key(self, name: str) -> bytes:
        return f"{self.base}{keys.NAMES[name]}".encode()

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        return self._settings.server.shard(self.base).ask(commands, self._settings.patience) if commands else []

    def act(self, script: Script, ids: Sequence[bytes], *args: Any) -> list[dict[bytes, bytes]]:
        """What a script that takes one id answers of each: the job's fields as they then are."""
        replies = self.ask([evalsha(script, [self.base], (local_id, *args)) for local_id in ids])
        return [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in replies]

    def act_on(self, act: str, ids: Sequence[bytes]) -> set[bytes]:
        """To which of these it was done."""
        if act == "delete":
            commands = [evalsha(DELETE, [self.base], (i, self._settings.retention.ended)) for i in ids]
            return {i for i, answer in zip(ids, self.ask(commands), strict=True) if answer == b"ok"}
        if act == "retry":
            return {i for i, job in zip(ids, self.act(REVIVE, ids), strict=True) if job.get(b"s") != b"f"}
        jobs = self.act(CANCEL, ids, *self._settings.retention.ended_args)
        return {i for i, job in zip(ids, jobs, strict=True) if job.get(b"s") == b"c" or job.get(b"m") == b"1"}

    def of_task(self, ids: Sequence[bytes], task: str) -> list[bytes]:
        found = self.ask([("HGET", self.key("job") + local_id, "t") for local_id in ids])
        return [local_id for local_id, name in zip(ids, found, strict=True) if name == task.encode()]
