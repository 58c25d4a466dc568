"""What a user can do with tasks that exist, without a word of HTTP: look up, list, wait, cancel."""

import threading
import time

import redisq

from . import clock, ids, store
from .database import Database
from .jobs import Jobs
from .problems import Problem, bad, no_such_task, unavailable
from .store import Task
from .users import User
from .view import Seen, see

MAX_WAIT = 30.0
# A filter on a live state looks tasks up in Redis, so many at a time, and gives up for this page after some.
_SCAN = 200
_MAX_SCANS = 10


class Desk:
    """Serves the users of one database and one queue server; safe to share between threads."""

    def __init__(self, database: Database, jobs: Jobs, waiters: int) -> None:
        self._database = database
        self._jobs = jobs
        self._waiters = threading.Semaphore(waiters)

    def get(self, user: User, task_id: str) -> Seen:
        """The user's task as it is now; raises the 404."""
        return self._see([self._find(user, task_id)])[0]

    def page(self, user: User, status: str | None, limit: int, cursor: str | None) -> tuple[list[Seen], str | None]:
        """The user's newest tasks before the cursor, and the cursor of the next page if there is one."""
        if cursor is not None and not ids.PATTERN.fullmatch(cursor):
            raise bad("bad_cursor", "cursor is one that a Link header gave.")
        if status is None:
            tasks = store.page(self._database, user.id, cursor, limit + 1)
            shown = self._see(tasks[:limit])
            return shown, shown[-1].task.id if len(tasks) > limit else None
        found: list[Seen] = []
        for _ in range(_MAX_SCANS):
            tasks = store.page(self._database, user.id, cursor, _SCAN, status)
            for seen in self._see(tasks):
                if len(found) == limit:
                    return found, cursor
                cursor = seen.task.id
                if seen.task.state == status:
                    found.append(seen)
            if len(tasks) < _SCAN:
                return found, None
        return found, cursor

    def wait(self, user: User, task_id: str, seconds: float) -> Seen:
        """The task once it has ended, or after `seconds`. At once when too many wait already."""
        seen = self.get(user, task_id)
        if seen.has_ended or seconds <= 0 or not self._waiters.acquire(blocking=False):
            return seen
        try:
            deadline = time.monotonic() + min(seconds, MAX_WAIT)
            pause = 0.05
            while not seen.has_ended and (left := deadline - time.monotonic()) > 0:
                if seen.job is None or not _sleep_until_ended(seen.job, left):
                    time.sleep(min(pause, left))
                    pause = min(2 * pause, 1.0)
                seen = self.get(user, task_id)
            return seen
        finally:
            self._waiters.release()

    def cancel(self, user: User, task_id: str) -> Seen:
        """Cancels a task; the answer is `cancelled`, or `running` when its worker has been asked to stop.

        Raises 409 for one that has ended otherwise, and 503 while only the queue could tell and cannot be reached.
        """
        task = self._find(user, task_id)
        if task.has_ended:
            return _unless_ended(Seen(task))
        jobs = self._jobs.find([task])
        if jobs is None and (task.state != "accepted" or task.on_its_way):
            raise unavailable("The queue")
        job = (jobs or {}).get(task.id)
        if job is None:
            # If it is just being handed over, whoever does that sees that it has been cancelled, and cancels the job.
            store.cancel(self._database, user.id, task.id, clock.now())
            return _unless_ended(self.get(user, task_id))
        asked = self._jobs.cancel(job)
        if asked is None:
            raise unavailable("The queue")
        return _unless_ended(see(task, asked))

    def forget(self, user: User, task_id: str) -> None:
        """Deletes a task that has ended, with its input and result, here and in Redis; raises 409 for another."""
        seen = self.get(user, task_id)
        if not seen.has_ended:
            raise Problem(409, "not_ended", "The task has not ended; cancel it first.")
        store.forget(self._database, user.id, task_id)
        self._jobs.delete(seen.task)

    def _find(self, user: User, task_id: str) -> Task:
        task = store.get(self._database, user.id, task_id) if ids.PATTERN.fullmatch(task_id) else None
        if task is None:
            raise no_such_task()
        return task

    def _see(self, tasks: list[Task]) -> list[Seen]:
        jobs = self._jobs.find(tasks) or {}
        return [see(task, jobs.get(task.id)) for task in tasks]


def _sleep_until_ended(job: redisq.Job, seconds: float) -> bool:
    """False when the queue cannot tell, so that the caller has to wait by itself."""
    try:
        job.wait(timeout=seconds)
    except (redisq.JobFailed, redisq.JobCancelled, redisq.WaitTimeout):
        return True
    except redisq.RedisQError:
        return False
    return True


def _unless_ended(seen: Seen) -> Seen:
    if seen.task.state in ("succeeded", "failed"):
        raise Problem(409, "already_ended", f"The task has {seen.task.state} already.")
    return seen
