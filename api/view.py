"""A task as its owner sees it: the row of the database, and while it has not ended the live job, as one JSON object."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

import redisq

from . import clock
from .store import ENDED, Task

BASE = "/api/v1/task"


@dataclass(frozen=True, slots=True)
class Seen:
    """A task as far as is known now, and its job if the queue has it."""

    task: Task
    job: redisq.Job | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.task.state in ENDED

    @property
    def progress(self) -> Any:
        """What the job has reported, until it ends: `{"done": n, "total": m}` or None."""
        return None if self.job is None or self.has_ended else self.job.progress


def see(task: Task, job: redisq.Job | None) -> Seen:
    """The task with what its job says by now. What the database says of an ended task stands."""
    if job is None or task.has_ended:
        return Seen(task)
    return Seen(
        replace(task, **outcome(job)),
        job,
    )


def outcome(job: redisq.Job) -> dict[str, Any]:
    """What a job says of its task, under the names of the columns."""
    return {
        "state": job.status,
        "attempt": job.attempt,
        "started_at": clock.micros(job.started_at),
        "finished_at": clock.micros(job.finished_at),
        "result": as_json(job.result) if job.status == "succeeded" else None,
        "error": None if job.error is None else job.error.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # see PostgreSQL
    }


def task_object(seen: Seen) -> dict[str, Any]:
    """All that there is to say of a task."""
    task = seen.task
    path = location(task)
    return {
        "id": task.id,
        "task": task.task,
        "input_param": msgspec.Raw(task.input_param.encode()),
        "queue": task.queue,
        "status": task.state,
        "progress": seen.progress,
        "attempt": task.attempt,
        "created_at": clock.rfc3339(task.created_at),
        "started_at": clock.rfc3339(task.started_at),
        "finished_at": clock.rfc3339(task.finished_at),
        "result": _result(task),
        "error": _error(task),
        "links": {"self": path, "status": f"{path}/status", "result": f"{path}/result"},
    }


def status_object(seen: Seen) -> dict[str, Any]:
    """The short answer for those who poll."""
    return {"id": seen.task.id, "status": seen.task.state, "progress": seen.progress}


def result_object(seen: Seen) -> dict[str, Any]:
    """How a task ended, or where it is while it has not."""
    answer: dict[str, Any] = {"id": seen.task.id, "status": seen.task.state}
    if seen.task.state == "succeeded":
        answer["result"] = _result(seen.task)
    elif seen.has_ended:
        answer["error"] = _error(seen.task)
    return answer


def location(task: Task) -> str:
    """The path of a task."""
    return f"{BASE}/{task.id}"


def as_json(value: object) -> str:
    """A value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def _result(task: Task) -> msgspec.Raw | None:
    return None if task.result is None else msgspec.Raw(task.result.encode())


def _error(task: Task) -> str | None:
    return "cancelled" if task.state == "cancelled" and task.error is None else task.error
