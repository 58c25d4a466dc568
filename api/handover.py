"""Putting tasks into the queue: the one place that says what a task is as a job.

The job's id is the task's own, so that handing it over twice makes no second job; a retry is a run of the task under a
number of its own, so that late news of an earlier run are known as such. The job names this database's feed, through
which the relay is told how it ended.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby

import msgspec

import redisq

from . import clock
from .store import Task


class Handover:
    """Enqueues tasks under their own ids."""

    def __init__(self, app: redisq.RedisQ, feed: Callable[[], str]) -> None:
        self._app = app
        self._feed = feed

    def enqueue(self, tasks: Sequence[Task]) -> list[redisq.Job]:
        """Enqueues all of them, in order; raises what the library raises. Doing it again is harmless."""
        jobs: list[redisq.Job] = []
        for (queue, task), group in groupby(tasks, key=lambda row: (row.queue, row.task)):
            jobs += self._app.queue(queue).enqueue_many(task, [self._call(row) for row in group])
        return jobs

    def cancel(self, tasks: Sequence[Task]) -> None:
        """Cancels the jobs of tasks that were cancelled while they were handed over."""
        for job in self._app.find_jobs([job_id(task) for task in tasks]) if tasks else ():
            if job is not None:
                with suppress(redisq.JobNotFound):
                    job.cancel()

    def _call(self, task: Task) -> tuple[tuple[object], dict[str, object], dict[str, object]]:
        options: dict[str, object] = {"job_id": _local_id(task), "feed": self._feed()}
        delay = task.due_at - clock.now()
        if delay > 0:
            options["delay"] = delay / clock.SECOND
        return (msgspec.json.decode(task.input_param),), {}, options


def job_id(task: Task) -> str:
    """The full id of a task's job."""
    return f"{task.queue}.{_local_id(task)}"


def task_of(local_id: str) -> tuple[str, int]:
    """The task's id and the run of which a job is, by the job's id without its queue."""
    task_id, _, run = local_id.partition("-")
    return task_id, int(run) if run.isdigit() else 0


def _local_id(task: Task) -> str:
    return f"{task.id}-{task.run}" if task.run else task.id
