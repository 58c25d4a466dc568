"""Call: a call of a task that has not been enqueued, for workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .options import CallOptions
from .queue import Queue


class Call(NamedTuple):
    """A call of a task, with its queue and options: a step of a workflow. Made by `task.call(...)`."""

    task: str
    queue: Queue
    options: CallOptions
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<Call {self.queue.name}.{self.task}>"
