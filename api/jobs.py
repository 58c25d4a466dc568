"""What the web side asks of the queue. Redis being away is an answer here, never an exception."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import redisq

from .handover import Handover, job_id
from .store import Task

_T = TypeVar("_T")
_AWAY = (redisq.ServerUnavailable, redisq.EnqueueUnknown)
_REFUSED = (redisq.ServerRefused, redisq.FeedFull)
_PAUSE = 1.0
_COUNTS_FOR = 0.5


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


class Jobs:
    """The jobs of tasks: found, counted, cancelled, enqueued."""

    def __init__(self, app: redisq.RedisQ, handover: Handover, backlog: int) -> None:
        """`backlog`: jobs that may wait in a queue in Redis; what is more waits in the database."""
        self._app = app
        self._handover = handover
        self._backlog = backlog
        self._breaker = Breaker()
        self._room: dict[tuple[str, str], tuple[float, int]] = {}

    def find(self, tasks: Sequence[Task]) -> dict[str, redisq.Job] | None:
        """The jobs of those tasks that have not ended, by the task's id. None: Redis cannot be asked."""
        open_tasks = [task for task in tasks if not task.has_ended]
        if not open_tasks:
            return {}
        found = self._breaker.call(lambda: self._app.find_jobs([job_id(task) for task in open_tasks]))
        if found is None:
            return None
        return {task.id: job for task, job in zip(open_tasks, found, strict=True) if job is not None}

    def cancel(self, job: redisq.Job) -> redisq.Job | None:
        """Cancels a job and answers it as it then is; None when Redis cannot be reached, or has just lost it."""
        try:
            return self._breaker.call(job.cancel)
        except redisq.JobNotFound:
            return None

    def forget(self, task: Task) -> None:
        """Deletes the job of a run that is over from the dead letters, if Redis can be reached."""
        for job in (self.find([replace(task, state="queued")]) or {}).values():
            with suppress(redisq.JobNotFound, redisq.JobRunning):
                self._breaker.call(job.delete)

    def cancel_all(self, tasks: Sequence[Task]) -> None:
        """Cancels the jobs of tasks that were cancelled while they were enqueued, if Redis can be reached."""
        self._breaker.call(lambda: self._handover.cancel(tasks))

    def is_reachable(self) -> bool:
        """Whether Redis answers."""
        return self._breaker.call(self._app.queue("default").counts) is not None

    def takes(self, queue: str, place: str, count: int) -> bool:
        """Whether the queue has room for `count` more `queued` or `scheduled` jobs, as far as is known.

        It is asked anew every half second; in between, what this process sends is subtracted.
        """
        now = time.monotonic()
        until, room = self._room.get((queue, place), (0.0, 0))
        if until <= now:
            counts = self._breaker.call(self._app.queue(queue).counts)
            if counts is None:
                return False
            until, room = now + _COUNTS_FOR, self._backlog - counts[place]
        self._room[queue, place] = (until, room - count)
        return room >= count

    def enqueue(self, tasks: Sequence[Task]) -> dict[str, redisq.Job] | None:
        """Enqueues tasks; None when that did not work, or may not have: then it is the relay's."""
        try:
            jobs = self._breaker.call(lambda: self._handover.enqueue(tasks))
        except (redisq.PayloadTooLarge, redisq.NotSerializable):
            return None
        return None if jobs is None else {task.id: job for task, job in zip(tasks, jobs, strict=True)}
