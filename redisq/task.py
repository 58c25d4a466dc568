"""Task: a registered function. Calls of it are jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from .batching import Batching
from .bound import BoundQueue, Progress
from .bound import Call as BulkCall
from .call import Call
from .failing import NO_RULES, Rules
from .job import Job
from .options import DEFAULTS, NO_OPTIONS, CallOptions, RunOptions
from .queue import Queue

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function under a name. It stays callable as it was; `enqueue` has a worker call it, one made with `batch` once
    for several jobs.
    """

    def __init__(
        self,
        func: Callable[P, R],
        name: str,
        queue: str,
        run: RunOptions,
        queues: Callable[[str], Queue],
        calls: CallOptions = NO_OPTIONS,
        rules: Rules = NO_RULES,
        batching: Batching | None = None,
    ) -> None:
        self.func = func
        self.name = name
        self.queue = queue
        self.rules = rules
        self.batching = batching
        self.run_options = rules.over(run.over(DEFAULTS).check())
        self._queues = queues
        self._calls = calls
        update_wrapper(self, func)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.func(*args, **kwargs)

    def moved(self, queues: Callable[[str], Queue]) -> Task[P, R]:
        """The same task in another app."""
        return Task(self.func, self.name, self.queue, self.run_options, queues, self._calls, self.rules, self.batching)

    def options(self, queue: str | None = None, **options: Any) -> BoundTask:
        """The task, for calls with these options: queue, those of CallOptions, RunOptions and Policy."""
        target = self._queues(self.queue if queue is None else queue)
        return BoundTask(self.name, target, self._calls.with_(**options), self._queues)

    def _bound(self) -> BoundQueue:
        return self._queues(self.queue).bound(self._calls)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Have a worker call it; the server has the job when this returns."""
        return self._bound().enqueue(self.name, *args, **kwargs)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call:
        """A call for a workflow, which is not enqueued by itself: see redisq.chain."""
        return Call(self.name, self._queues(self.queue), self._calls, args, kwargs)

    def enqueue_many(self, calls: Iterable[BulkCall]) -> list[Job]:
        """Many calls, each (args, kwargs) or (args, kwargs, options); a few hundred a round trip, whole or absent."""
        return self._bound().enqueue_many(self.name, calls)

    def enqueue_bulk(self, calls: Iterable[BulkCall], progress: Progress | None = None) -> int:
        """Any number of calls, of which it holds a few hundred at a time; answers how many. See Queue.enqueue_bulk."""
        return self._bound().enqueue_bulk(self.name, calls, progress)

    async def enqueue_async(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """As `enqueue`, of a coroutine. Cancelled, it leaves a job that may or may not exist."""
        return await self._bound().enqueue_async(self.name, *args, **kwargs)

    async def enqueue_many_async(self, calls: Iterable[BulkCall]) -> list[Job]:
        """As `enqueue_many`, of a coroutine."""
        return await self._bound().enqueue_many_async(self.name, calls)

    async def enqueue_bulk_async(self, calls: Iterable[BulkCall], progress: Progress | None = None) -> int:
        """As `enqueue_bulk`, of a coroutine."""
        return await self._bound().enqueue_bulk_async(self.name, calls, progress)

    def target(self) -> tuple[str, str, CallOptions]:
        """Name, queue and options of its calls."""
        return self.name, self.queue, self._calls


class BoundTask:
    """A task, and options for the calls that are made through it."""

    def __init__(self, name: str, queue: Queue, options: CallOptions, queues: Callable[[str], Queue]) -> None:
        self._name = name
        self._queue = queue
        self._options = options
        self._queues = queues

    def options(self, queue: str | None = None, **options: Any) -> BoundTask:
        """With these options over the ones given before."""
        target = self._queue if queue is None else self._queues(queue)
        return BoundTask(self._name, target, self._options.with_(**options), self._queues)

    def enqueue(self, /, *args: Any, **kwargs: Any) -> Job:
        """See Task.enqueue."""
        return self._queue.bound(self._options).enqueue(self._name, *args, **kwargs)

    def call(self, /, *args: Any, **kwargs: Any) -> Call:
        """See Task.call."""
        return Call(self._name, self._queue, self._options, args, kwargs)

    def enqueue_many(self, calls: Iterable[BulkCall]) -> list[Job]:
        """See Task.enqueue_many."""
        return self._queue.bound(self._options).enqueue_many(self._name, calls)

    def enqueue_bulk(self, calls: Iterable[BulkCall], progress: Progress | None = None) -> int:
        """See Task.enqueue_bulk."""
        return self._queue.bound(self._options).enqueue_bulk(self._name, calls, progress)

    async def enqueue_async(self, /, *args: Any, **kwargs: Any) -> Job:
        """See Task.enqueue_async."""
        return await self._queue.bound(self._options).enqueue_async(self._name, *args, **kwargs)

    async def enqueue_many_async(self, calls: Iterable[BulkCall]) -> list[Job]:
        """See Task.enqueue_many_async."""
        return await self._queue.bound(self._options).enqueue_many_async(self._name, calls)

    async def enqueue_bulk_async(self, calls: Iterable[BulkCall], progress: Progress | None = None) -> int:
        """See Task.enqueue_bulk_async."""
        return await self._queue.bound(self._options).enqueue_bulk_async(self._name, calls, progress)

    def target(self) -> tuple[str, str, CallOptions]:
        """Name, queue and options of its calls."""
        return self._name, self._queue.name, self._options
