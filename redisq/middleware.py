"""Middleware: an app's code around every enqueueing and every run of a job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from types import TracebackType
from typing import Any

from .current import CurrentJob, current_job
from .enqueueing import EnqueueCall, Observers
from .errors import InvalidOption
from .job import Job

log = logging.getLogger(__name__)


class Middleware:
    """To be derived from: each method does nothing. Only those that a class overrides cost anything.

    Of several in an app the first is the outermost. They may be called by several threads at once.
    """

    def before_enqueue(self, call: EnqueueCall) -> None:
        """A job is about to be enqueued: `call.headers` may be changed. What is raised goes to the caller, and nothing
        is enqueued.
        """

    def after_enqueue(self, call: EnqueueCall) -> None:
        """The job was enqueued, `call.job`, or was not, `call.error`; once for each `before_enqueue` that returned.
        What is raised is logged.
        """

    def around_run(self, job: CurrentJob) -> AbstractContextManager[Any]:
        """A context manager in which the job runs, in its thread. It sees what the job raises, and may raise something
        else, which is then the job's failure; it cannot make the job succeed.
        """
        return nullcontext()

    def around_run_async(self, job: CurrentJob) -> AbstractAsyncContextManager[Any]:
        """As `around_run`, of an async task: in the job's coroutine. If it is not overridden, `around_run` is used."""
        return _awaitable(self.around_run(job))

    def around_batch(self, jobs: Sequence[CurrentJob]) -> AbstractContextManager[Any]:
        """As `around_run`, around the one call of a task with `batch`, which runs all of these; of an async one too."""
        return nullcontext()

    def after_run(self, job: Job, outcome: str, seconds: float) -> None:
        """A worker is done with the job. `outcome`: succeeded, retried (it failed, and attempts are left), dead,
        cancelled, or postponed, where its task is not known. `job` is as it will be when the server has that, with its
        result or error. `seconds` that it ran. What is raised is logged.
        """

    def close(self) -> None:
        """A process of a worker ends: send what was collected. What is raised is logged."""


class Middlewares:
    """Those of one app, in order."""

    def __init__(self, middlewares: Sequence[Middleware] = ()) -> None:
        for one in middlewares:
            if not isinstance(one, Middleware):
                raise InvalidOption(f"middleware: objects of classes derived from redisq.Middleware, not {one!r:.100}")
        self.all = tuple(middlewares)
        self._around = self._with("around_run")
        self._around_async = self._with("around_run", "around_run_async")
        self._around_batch = self._with("around_batch")
        self._after = self._with("after_run")[::-1]

    @property
    def observers(self) -> Observers | None:
        """Those who want to know what is enqueued."""
        observers = self._with("before_enqueue", "after_enqueue")
        return Observers(observers) if observers else None

    @property
    def tells(self) -> bool:
        """Whether any wants to know what became of jobs."""
        return bool(self._after)

    def around(self, func: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
        """A task's function as a worker calls it; the same one if nothing is to be around it."""
        if is_async:
            return _around_async(self._around_async, func) if self._around_async else func
        return _around(self._around, func) if self._around else func

    def around_batch(self, func: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
        """The same, of a function that is called with several jobs."""
        if not self._around_batch:
            return func
        return _around_batch_async(self._around_batch, func) if is_async else _around_batch(self._around_batch, func)

    def after(self, job: Job, outcome: str, seconds: float) -> None:
        for one in self._after:
            try:
                one.after_run(job, outcome, seconds)
            except BaseException:  # a worker goes on, whatever it is
                log.exception("middleware.failed name=%s step=after_run id=%s", type(one).__name__, job.id)

    def close(self) -> None:
        for one in reversed(self.all):
            try:
                one.close()
            except BaseException:
                log.exception("middleware.failed name=%s step=close", type(one).__name__)

    def _with(self, *methods: str) -> list[Middleware]:
        """Those that override one of these."""
        return [one for one in self.all if any(getattr(type(one), m) is not getattr(Middleware, m) for m in methods)]


def _around(middlewares: Sequence[Middleware], func: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        job = current_job()
        with ExitStack() as stack:
            for one in middlewares:
                with _naming(one):
                    manager = one.around_run(job)
                stack.enter_context(_Run(one, manager))
            return func(*args, **kwargs)

    return call


def _around_async(middlewares: Sequence[Middleware], func: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        job = current_job()
        async with AsyncExitStack() as stack:
            for one in middlewares:
                with _naming(one):
                    manager = one.around_run_async(job)
                await stack.enter_async_context(_AsyncRun(one, manager))
            return await func(*args, **kwargs)

    return call


def _around_batch(middlewares: Sequence[Middleware], func: Callable[..., Any]) -> Callable[..., Any]:
    def call(jobs: list[CurrentJob]) -> Any:
        with _batch(middlewares, jobs):
            return func(jobs)

    return call


def _around_batch_async(middlewares: Sequence[Middleware], func: Callable[..., Any]) -> Callable[..., Any]:
    async def call(jobs: list[CurrentJob]) -> Any:
        with _batch(middlewares, jobs):
            return await func(jobs)

    return call


@contextmanager
def _batch(middlewares: Sequence[Middleware], jobs: Sequence[CurrentJob]) -> Iterator[None]:
    with ExitStack() as stack:
        for one in middlewares:
            with _naming(one):
                manager = one.around_batch(jobs)
            stack.enter_context(_Run(one, manager))
        yield


class _Run:
    """What a middleware raises around a run says so; and what it keeps back goes up all the same, or jobs that failed
    would pass for having succeeded.
    """

    def __init__(self, middleware: Middleware, manager: AbstractContextManager[Any]) -> None:
        self._middleware = middleware
        self._manager = manager

    def __enter__(self) -> None:
        with _naming(self._middleware):
            self._manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _naming(self._middleware, error):
            self._manager.__exit__(kind, error, trace)


class _AsyncRun:
    """As _Run."""

    def __init__(self, middleware: Middleware, manager: AbstractAsyncContextManager[Any]) -> None:
        self._middleware = middleware
        self._manager = manager

    async def __aenter__(self) -> None:
        with _naming(self._middleware):
            await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _naming(self._middleware, error):
            await self._manager.__aexit__(kind, error, trace)


@contextmanager
def _naming(middleware: Middleware, known: BaseException | None = None) -> Iterator[None]:
    """An error that comes up in the block, other than the one that is known, gets a note of who raised it."""
    try:
        yield
    except BaseException as error:
        if error is not known:
            error.add_note(f"in middleware {type(middleware).__name__}")
        raise


@asynccontextmanager
async def _awaitable(manager: AbstractContextManager[Any]) -> Any:
    with manager:
        yield
