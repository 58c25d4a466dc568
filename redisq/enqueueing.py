"""What middlewares see of a job that is enqueued, and how they are told: before, and after."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from .codec import Codec
from .job import Job

log = logging.getLogger(__name__)


class EnqueueCall:
    """A job that is being enqueued. `headers` may be changed before it is: texts by name that travel with the job.

    `id` is the job's full id; `task` is None for a payload without one. Once it is enqueued `job` is what the caller
    gets: see `job.created`, since there may have been one before. Or `error` is what was raised instead; then, of a
    bulk, other jobs may exist all the same. `state` is for middlewares to keep things in from before to after.
    """

    def __init__(
        self, queue: str, local_id: str, task: str, body: bytes, headers: Mapping[str, str] | None, codec: Codec
    ) -> None:
        self.id = f"{queue}.{local_id}"
        self.queue = queue
        self.task = task or None
        self.headers: dict[str, str] = dict(headers or {})
        self.job: Job | None = None
        self.error: BaseException | None = None
        self.state: dict[Any, Any] = {}
        self._raw = body
        self._codec = codec
        self._passed: list[Observer] = []

    def __repr__(self) -> str:
        return f"<EnqueueCall {self.id} task={self.task}>"

    @property
    def args(self) -> list[Any] | None:
        """As JSON has them: to look at. None for a payload without a task."""
        return self._body[0] if self.task else None

    @property
    def kwargs(self) -> dict[str, Any] | None:
        return self._body[1] if self.task else None

    @property
    def payload(self) -> Any:
        """Of a job without a task."""
        return None if self.task else self._body

    @cached_property
    def _body(self) -> Any:
        return self._codec.decode(self._raw)


class Observer(Protocol):
    """Who is told of what is enqueued; see middleware.Middleware."""

    def before_enqueue(self, call: EnqueueCall) -> None: ...
    def after_enqueue(self, call: EnqueueCall) -> None: ...


class Observers:
    """Those who are told, in order; afterwards the other way round."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def before(self, call: EnqueueCall) -> None:
        """What one of them raises keeps the job from being enqueued."""
        for observer in self._observers:
            observer.before_enqueue(call)
            call._passed.append(observer)

    def after(self, call: EnqueueCall) -> None:
        """Tells each who was told before. The job is there, or is not, whatever one of them raises: it is logged."""
        while call._passed:
            observer = call._passed.pop()
            try:
                observer.after_enqueue(call)
            except Exception:
                log.exception("middleware.failed name=%s step=after_enqueue id=%s", type(observer).__name__, call.id)
