"""What was enqueued, and assertions on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..app import RedisQ
from ..errors import NotSerializable
from ..job import Job
from ..task import Task
from .connecting import app_of, connection_of

#: Jobs in a message, and characters of one.
MOST_LINES = 20
LONGEST_LINE = 200


def enqueued(app: RedisQ) -> list[Job]:
    """All jobs that are or were in the queues, the oldest first, whatever became of them. Those that `run_all` ran
    still have their arguments; of those that a worker beside the test ran, the server keeps none once they succeeded.
    """
    connection = connection_of(app)
    found: dict[str, Job] = dict(connection.ran)
    for name in app.queue_names():
        for job in app.queue(name).jobs(limit=2**31):
            began = connection.ran.get(job.id)
            found[job.id] = job if began is None else _with_arguments(app, job, began)
    return sorted(found.values(), key=_age)


def assert_enqueued(
    task: Task[..., Any] | str,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
    count: int | None = None,
    app: RedisQ | None = None,
) -> list[Job]:
    """The jobs of this task, with these arguments, in this queue, whatever became of them; None stands for any. With
    `count` there are so many, else one at least. AssertionError, which lists what was enqueued.

    Arguments are compared as JSON has them: a tuple is equal to a list. `app`: None for the one that has the task.
    """
    __tracebackhide__ = True
    app = app or app_of(task)
    name = task if isinstance(task, str) else task.name
    args, kwargs = _as_stored(app, args), _as_stored(app, kwargs)
    jobs = enqueued(app)
    found = [
        job
        for job in jobs
        if job.task == name
        and (args is None or job.args == args)
        and (kwargs is None or job.kwargs == kwargs)
        and (queue is None or job.queue == queue)
    ]
    if (len(found) == count) if count is not None else found:
        return found
    wanted = _call(name, args, kwargs) + (f" in {queue!r}" if queue is not None else "")
    times = "at least once" if count is None else f"{count} times"
    raise AssertionError(f"expected {wanted} {times}, found {len(found)}\n{_listing(jobs)}")


def _as_stored(app: RedisQ, value: Any) -> Any:
    """As it comes back from the server. What cannot be encoded, such as a `mock.ANY`, is left for a comparison."""
    if value is None:
        return None
    plain = dict(value) if isinstance(value, Mapping) else list(value)
    try:
        return app.settings.codec.decode(app.settings.codec.encode(plain))
    except NotSerializable:
        return plain


def _with_arguments(app: RedisQ, job: Job, began: Job) -> Job:
    fields = {**job._fields, b"b": began._fields.get(b"b", b"")}
    return Job(job.home, job.queue, job.local_id, fields, app.settings.codec)


def _age(job: Job) -> tuple[datetime, str]:
    assert job.created_at is not None
    return job.created_at, job.local_id


def _listing(jobs: Sequence[Job]) -> str:
    if not jobs:
        return "nothing was enqueued"
    lines = [f"  {job.queue}: {_call(job.task, job.args, job.kwargs)[:LONGEST_LINE]} {job.status}" for job in jobs]
    more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return "\n".join([f"enqueued ({len(jobs)}):", *lines[:MOST_LINES], *more])


def _call(name: str | None, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> str:
    if args is None and kwargs is None:
        return f"{name}(...)"
    given = ["*..."] if args is None else [repr(value) for value in args]
    given += ["**..."] if kwargs is None else [f"{key}={value!r}" for key, value in kwargs.items()]
    return f"{name}({', '.join(given)})"
