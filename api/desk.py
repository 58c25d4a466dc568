"""What a user can do with tasks that exist, without a word of HTTP: look up, list, wait, cancel, retry."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import redisq

from . import clock, ids, store
from .database import Database
from .jobs import Jobs
from .problems import Problem, no_such_task, unavailable
from .quotas import Quotas
from .store import Filter, Task
from .users import User
from .view import Seen, see

MAX_WAIT = 30.0
# A filter on a live state looks tasks up in Redis, so many at a time, and gives up for this page after some.
_SCAN = 200
_MAX_SCANS = 10
# Seconds to rest for each task that is waited for beside another, which is more than it costs to look at it.
_LOOK = 0.0005


class Desk:
    """Serves the users of one database and one queue server; safe to share between threads."""

    def __init__(self, database: Database, jobs: Jobs, quotas: Quotas, waiters: int) -> None:
        self._database = database
        self._jobs = jobs
        self._quotas = quotas
        self._waiters = threading.Semaphore(waiters)

    def get(self, user: User, task_id: str) -> Seen:
        """The user's task as it is now; raises the 404."""
        return self._see([self._find(user, task_id)])[0]

    def page(self, user: User, wanted: Filter, limit: int) -> tuple[list[Seen], str | None]:
        """The user's newest tasks that fit, and the cursor of the next page if there may be one."""
        tasks, cursor = store.page(self._database, user.id, wanted, limit + 1)
        if wanted.status is None:
            if len(tasks) > limit:
                tasks, cursor = tasks[:limit], tasks[limit - 1].id
            return self._see(tasks), cursor
        found: list[Seen] = []
        for _ in range(_MAX_SCANS):
            last = wanted.before
            for seen in self._see(tasks):
                if len(found) == limit:
                    return found, last
                last = seen.task.id
                if seen.task.state == wanted.status:
                    found.append(seen)
            if cursor is None or cursor != last:  # all, or all that was looked at
                return found, cursor
            wanted = replace(wanted, before=cursor)
            tasks, cursor = store.page(self._database, user.id, wanted, _SCAN)
        return found, wanted.before

    def wait(self, user: User, task_ids: Sequence[str], seconds: float) -> tuple[list[Seen], bool]:
        """The tasks once all have ended, or after `seconds`; and False when too many wait already, so that it did not.

        Raises the 404 for one that the user does not have.
        """
        seen = self._see([self._find(user, task_id) for task_id in task_ids])
        if seconds <= 0 or all(one.has_ended for one in seen):
            return seen, True
        if not self._waiters.acquire(blocking=False):
            return seen, False
        try:
            deadline = time.monotonic() + min(seconds, MAX_WAIT)
            pause = 0.05
            while unfinished := [one for one in seen if not one.has_ended]:
                if (left := deadline - time.monotonic()) <= 0:
                    break
                # The last one probably ends last, and a look at many is not taken too often.
                job = unfinished[-1].job
                if job is None or not _sleep_until_ended(job, left):
                    time.sleep(min(pause, left))
                    pause = min(2 * pause, 1.0)
                time.sleep(_LOOK * (len(unfinished) - 1))
                seen = self._refresh(user, seen)
            return seen, True
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

    def retry(self, user: User, task_id: str) -> Seen:
        """Runs a failed task again, as if it had been posted now. Raises 409 for one that has not failed."""
        task = self._find(user, task_id)
        seen = self._see([task])[0]
        if seen.task.state != "failed" or not self._retry(user, task):
            raise Problem(409, "not_failed", "Only a task that has failed can be retried.")
        self._jobs.delete(task)
        return Seen(self._find(user, task_id))

    def _retry(self, user: User, task: Task) -> bool:
        with self._database.write():
            if task.has_ended:  # else it counts already
                self._quotas.check_unfinished(user, 1)
            return store.retry(self._database, task, clock.now())

    def _refresh(self, user: User, seen: list[Seen]) -> list[Seen]:
        now = iter(self._see([self._find(user, one.task.id) for one in seen if not one.has_ended]))
        return [one if one.has_ended else next(now) for one in seen]

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
