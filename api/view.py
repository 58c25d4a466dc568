"""A task as its owner sees it: the row of the database, and while it has not ended the live job, as one JSON object."""

from typing import Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

import redisq

from . import clock
from .store import ENDED, Status, Task

BASE = "/api/v1/task"
_Id = Annotated[str, Meta(description="ids sort by time", examples=["00064469b56f2d2e0fa9b1c2d3e4f5"])]
_Moment = Annotated[
    str | None, Meta(description="a time as in RFC 3339, in UTC", extra_json_schema={"format": "date-time"})
]
_Path = Annotated[str, Meta(examples=["/api/v1/task/00064469b56f2d2e0fa9b1c2d3e4f5"])]
_Error = Annotated[str | None, Meta(description="why it failed or was cancelled")]
_Anything = Annotated[Any, Meta(description="any JSON value")]


class Progress(msgspec.Struct):
    """What a running task has told of its progress."""

    done: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=0)]


class Links(msgspec.Struct, rename={"itself": "self"}):
    """Where to go from a task."""

    itself: _Path
    status: _Path
    result: _Path


class TaskObject(msgspec.Struct):
    """All that there is to say of a task."""

    id: _Id
    task: str
    input_param: _Anything
    queue: str
    status: Status
    progress: Progress | None
    attempt: Annotated[int, Meta(description="1 for the first, more after failures")]
    created_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    started_at: _Moment
    finished_at: _Moment
    result: _Anything
    error: _Error
    links: Links


class StatusObject(msgspec.Struct):
    """The short answer for those who poll."""

    id: _Id
    status: Status
    progress: Progress | None


class ResultObject(msgspec.Struct):
    """How a task ended, or where it is while it has not: `result` of a success, `error` of any other end."""

    id: _Id
    status: Status
    result: _Anything | UnsetType = UNSET
    error: _Error | UnsetType = UNSET


class Seen(msgspec.Struct, frozen=True):
    """A task as far as is known now, and its job if the queue has it."""

    task: Task
    job: redisq.Job | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.task.state in ENDED

    @property
    def status(self) -> Status:
        """Its status."""
        return cast(Status, self.task.state)

    @property
    def progress(self) -> Any:
        """What the job has reported, until it ends: `{"done": n, "total": m}` or None."""
        return None if self.job is None or self.has_ended else self.job.progress


def see(task: Task, job: redisq.Job | None) -> Seen:
    """The task with what its job says by now. What the database says of an ended task stands."""
    if job is None or task.has_ended:
        return Seen(task)
    return Seen(
        msgspec.structs.replace(task, **outcome(job)),
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


def task_object(seen: Seen, root: str) -> TaskObject:
    """The task in full. `root` is the path under which the service is mounted, empty if it has a host for itself."""
    task = seen.task
    path = location(task, root)
    return TaskObject(
        id=task.id,
        task=task.task,
        input_param=msgspec.Raw(task.input_param.encode()),
        queue=task.queue,
        status=seen.status,
        progress=seen.progress,
        attempt=task.attempt,
        created_at=clock.rfc3339(task.created_at) or "",
        started_at=clock.rfc3339(task.started_at),
        finished_at=clock.rfc3339(task.finished_at),
        result=_result(task),
        error=_error(task),
        links=Links(path, f"{path}/status", f"{path}/result"),
    )


def status_object(seen: Seen) -> StatusObject:
    """Where the task is."""
    return StatusObject(seen.task.id, seen.status, seen.progress)


def result_object(seen: Seen) -> ResultObject:
    """How the task ended."""
    is_success = seen.status == "succeeded"
    return ResultObject(
        seen.task.id,
        seen.status,
        result=_result(seen.task) if is_success else UNSET,
        error=_error(seen.task) if seen.has_ended and not is_success else UNSET,
    )


def location(task: Task, root: str) -> str:
    """The path of a task."""
    return f"{root}{BASE}/{task.id}"


def as_json(value: object) -> str:
    """A value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def _result(task: Task) -> msgspec.Raw | None:
    return None if task.result is None else msgspec.Raw(task.result.encode())


def _error(task: Task) -> str | None:
    return "cancelled" if task.state == "cancelled" and task.error is None else task.error
