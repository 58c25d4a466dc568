"""What the web side asks of the queue. Redis being away is an answer here, never an exception."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import redisq

from .handover import Handover, job_id
from .outbox import Bound, Held
from .store import Task

_T = TypeVar("_T")
_AWAY = (redisq.ServerUnavailable, redisq.EnqueueUnknown)
_REFUSED = (redisq.ServerRefused, redisq.FeedFull)
_PAUSE = 1.0
_COUNTS_FOR = 0.5
# While so many wait, a job gains nothing by going straight into the queue, and would hold up those of other users.
_SHORT = 128


class Breaker:
    """While the server is away, one caller at a time finds out whether it is back; the others go on without it.

    A call to a server that is frozen takes seconds, and must not take all threads of the service with it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._is_away = False
        self._is_tried = False
        self._try_at = 0.0

    def call(self, ask: Callable[[], _T]) -> _T | None:
        """The answer of `ask`, or None when there is none."""
        with self._lock:
            if self._is_away:
                if self._is_tried or self._clock() < self._try_at:
                    return None
                self._is_tried = True
        is_away = False
        try:
            return ask()
        except _AWAY:
            is_away = True
            return None
        except _REFUSED:
            return None
        finally:
            with self._lock:
                self._is_away = is_away
                self._is_tried = False
                self._try_at = self._clock() + _PAUSE


@dataclass(slots=True)
class _Share:
    """What this process may send of the room that it saw, until when."""

    until: float
    is_open: bool
    jobs: int = 0
    size: int = 0


class Jobs:
    """The jobs of tasks: found, counted, cancelled, enqueued."""

    def __init__(self, app: redisq.RedisQ, handover: Handover, bound: Bound, held: Callable[[str], Held]) -> None:
        """`bound`: what Redis may have of a queue, what is more waits in the database; `held`: what it has of one."""
        self._app = app
        self._handover = handover
        self._bound = bound
        self._held = held
        self._breaker = Breaker()
        self._shares: dict[tuple[str, bool], _Share] = {}

    def find(self, tasks: Sequence[Task]) -> dict[str, redisq.Job] | None:
        """The jobs of those tasks that have not ended, by the task's id. None: Redis cannot be asked."""
        open_tasks = [task for task in tasks if not task.has_ended]
        if not open_tasks:
            return {}
        found = self._breaker.call(lambda: self._app.find_jobs([job_id(task) for task in open_tasks]))
        if found is None:
            return None
        return {task.id: job for task, job in zip(open_tasks, found, strict=True) if job is not None}

    def look(self, task: Task) -> tuple[redisq.Job | None, list[redisq.LogEntry]]:
        """The job of a task, ended or not, with its log, as far as Redis still has them and can be asked."""
        found = self._breaker.call(lambda: self._app.find_jobs([job_id(task)]))
        job = found[0] if found else None
        return job, (self._breaker.call(job.logs) if job is not None else None) or []

    def cancel(self, job: redisq.Job) -> redisq.Job | None:
        """Cancels a job and answers it as it then is; None when Redis cannot be reached, or has just lost it."""
        try:
            return self._breaker.call(job.cancel)
        except redisq.JobNotFound:
            return None

    def delete(self, task: Task) -> None:
        """Deletes the job of a task that has ended, if Redis can be reached; it would go by itself, later."""
        job = next(iter(self._breaker.call(lambda: self._app.find_jobs([job_id(task)])) or ()), None)
        if job is not None:
            with suppress(redisq.JobNotFound, redisq.JobRunning):
                self._breaker.call(job.delete)

    def waiting(self, queue: str) -> int:
        """Jobs that wait in a queue in Redis; 0 while it cannot be asked."""
        counts = self.counts(queue)
        return counts["queued"] if counts is not None else 0

    def cancel_all(self, tasks: Sequence[Task]) -> None:
        """Cancels the jobs of tasks that were cancelled while they were enqueued, if Redis can be reached."""
        self._breaker.call(lambda: self._handover.cancel(tasks))

    def is_reachable(self) -> bool:
        """Whether Redis answers."""
        return self.counts("default") is not None

    def counts(self, queue: str) -> dict[str, int] | None:
        """The jobs of a queue by status; None: Redis cannot be asked."""
        return self._breaker.call(self._app.queue(queue).counts)

    def takes(self, queue: str, is_delayed: bool, count: int, size: int) -> bool:
        """Whether `count` jobs with `size` bytes of input are to go straight into the queue, as far as is known.

        It is looked up anew every half second, and when this process has sent its share.
        """
        key, now = (queue, is_delayed), time.monotonic()
        share = self._shares.get(key)
        if share is None or share.until <= now or (share.is_open and (share.jobs < count or share.size < size)):
            share = self._shares[key] = self._look(queue, is_delayed, now + _COUNTS_FOR)
        if share.jobs < count or share.size < size:
            return False
        share.jobs -= count
        share.size -= size
        return True

    def _look(self, queue: str, is_delayed: bool, until: float) -> _Share:
        counts = self.counts(queue)
        if counts is None:
            return _Share(until, False)
        held = self._held(queue)
        if is_delayed:  # half of the room, since they may stay there for days: the relay needs some for what is due
            jobs = self._bound.jobs // 2 - max(held.scheduled, counts["scheduled"])
            size = self._bound.size // 2 - held.scheduled_size
        else:
            jobs, size = self._bound.room(held)
            jobs = min(jobs, self._bound.jobs - counts["queued"]) if counts["queued"] < _SHORT else 0
        if jobs <= 0 or size <= 0:
            return _Share(until, False)
        most_jobs, most_size = self._bound.share
        return _Share(until, True, min(jobs, most_jobs), min(size, most_size))

    def enqueue(self, tasks: Sequence[Task]) -> dict[str, redisq.Job] | None:
        """Enqueues tasks; None when that did not work, or may not have: then it is the relay's."""
        try:
            jobs = self._breaker.call(lambda: self._handover.enqueue(tasks))
        except (redisq.PayloadTooLarge, redisq.NotSerializable):
            return None
        return None if jobs is None else {task.id: job for task, job in zip(tasks, jobs, strict=True)}
