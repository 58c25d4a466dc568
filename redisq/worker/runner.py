"""Runs one job: from the claimed fields to what became of it, one clause per outcome."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from .. import claimed as verdict
from .. import failing
from ..app import RedisQ
from ..batching import Batching
from ..claimed import Claimed, Settlement
from ..current import CurrentJob, enter, leave
from ..errors import SoftTimeout
from ..job import WIRE
from ..options import DEFAULTS, RunOptions
from ..signing import Signer
from ..task import Task
from ..telling import describe, trace
from .soft import Late, SoftLimit

log = logging.getLogger(__name__)


class Stopped(BaseException):
    """Raised inside a job that was cancelled. No Exception, so that a job which catches those ends all the same."""


class Runner:
    """Runs an app's jobs, one at a time, in the thread that calls it; or has the parts of that for who runs several."""

    def __init__(self, app: RedisQ, worker: str, soft_limit: SoftLimit | None = None) -> None:
        self._app = app
        self._worker = worker
        self._codec = app.settings.codec
        self._signer = app.settings.signer
        self._loop: asyncio.Runner | None = None
        self._running = False
        self._asked = False
        self._coroutine: asyncio.Task[Any] | None = None
        self._soft_limit = soft_limit or SoftLimit()
        self._awaits = False
        self._late: Late | None = None
        self._known = {name.encode(): self._known_as(task) for name, task in app.tasks.items()}

    def options(self, job: Claimed) -> RunOptions:
        """How this job is to be run: what its call asked for, over what its task does."""
        known = self._known.get(job.task or b"")
        defaults = known[0].run_options if known else DEFAULTS
        return defaults if job.options is None else job.run_options(defaults)

    def run(self, job: Claimed, options: RunOptions) -> Settlement:
        """Whatever the job does, short of ending the process, comes back as a settlement.

        The steps of `prepare` and `succeeded` in one piece: two calls more would cost a twentieth of a short job.
        """
        known = self._known.get(job.task or b"")
        if known is None or int(job.version) > WIRE or (job.marks and job.expired):
            return _unfit(job, self._signer)
        if self._signer is not None and not verdict.is_genuine(job, self._signer):
            return verdict.forged(job)
        try:
            args, kwargs = self._arguments(job)
        except ValueError as error:
            return _unreadable(job, error)
        current = CurrentJob(self._app.settings, self._worker, job, args, kwargs)
        _, is_async, func = known
        token = enter(current)
        try:
            self._begin(is_async, options)
            result = self._await(func, args, kwargs) if is_async else func(*args, **kwargs)
            self._running = False
        except BaseException as error:  # SystemExit, too, is the job's failure and not the worker's
            self._running = False
            return verdict.cancelled(job) if self._asked else self.failed(job, error, options)
        finally:
            self._running = False
            self._soft_limit.end()
            leave(token)
        try:
            return verdict.succeeded(job, self._codec.encode(result), options, current.follow())
        except Exception as error:  # a user's codec, or a result that lies about what it is, may raise anything
            return _unkept(job, error)

    def call(self, func: Callable[..., Any], calls: list[CurrentJob], options: RunOptions) -> Any:
        """What the function of a task with `batch` returns for these; whatever it raises is raised."""
        is_async = inspect.iscoroutinefunction(func)
        try:
            self._begin(is_async, options)
            result = self._await(func, [calls], {}) if is_async else func(calls)
            self._running = False
            return result
        finally:
            self._running = False
            self._soft_limit.end()

    @property
    def asked(self) -> bool:
        """Whether what has run last was asked to stop, as a cancelled job is."""
        return self._asked

    def batchings(self) -> dict[bytes, Batching]:
        """Of the tasks with `batch`, by name."""
        return {name: task.batching for name, (task, _, _) in self._known.items() if task.batching is not None}

    def is_async(self, job: Claimed) -> bool:
        """Whether it is to be awaited."""
        known = self._known.get(job.task or b"")
        return known is not None and known[1]

    def prepare(self, job: Claimed) -> tuple[CurrentJob, Callable[..., Any]] | Settlement:
        """What to call with its arguments; or what becomes of a job that cannot be called."""
        known = self._known.get(job.task or b"")
        if known is None or int(job.version) > WIRE or (job.marks and job.expired):
            return _unfit(job, self._signer)
        if self._signer is not None and not verdict.is_genuine(job, self._signer):
            return verdict.forged(job)
        try:
            return CurrentJob(self._app.settings, self._worker, job, *self._arguments(job)), known[2]
        except ValueError as error:
            return _unreadable(job, error)

    def failed(self, job: Claimed, error: BaseException, options: RunOptions) -> Settlement:
        """The job has raised this."""
        log.info("job.failed id=%s task=%s attempt=%d", job.full_id, job.task_name, job.attempt, exc_info=error)
        return failing.failed(job, error, options, rules=self.rules(job))

    def rules(self, job: Claimed) -> failing.Rules:
        """Those of its task."""
        known = self._known.get(job.task or b"")
        return known[0].rules if known else failing.NO_RULES

    def succeeded(self, job: Claimed, result: Any, options: RunOptions, current: CurrentJob) -> Settlement:
        """The job has returned this."""
        try:
            return verdict.succeeded(job, self._codec.encode(result), options, current.follow())
        except Exception as error:
            return _unkept(job, error)

    def stop(self) -> None:
        """End the job that runs, if one does. Called by a signal's handler, in the thread that runs it."""
        self._asked = self._running
        if self._coroutine is not None:
            self._coroutine.get_loop().call_soon_threadsafe(self._coroutine.cancel)
        elif self._running:
            self._running = False
            raise Stopped

    def look_at_clock(self) -> None:
        """Tell the job that runs when its soft limit is over. Called as `stop` is."""
        if not (self._running and self._soft_limit.is_over()):
            return
        if not self._awaits:
            self._soft_limit.end()
            raise SoftTimeout(str(self._soft_limit))
        if self._coroutine is not None and self._late is not None:  # else it has not begun, and sees it then
            self._soft_limit.end()
            self._coroutine.get_loop().call_soon_threadsafe(self._late.tell, self._coroutine)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()

    def _known_as(self, task: Task[Any, Any]) -> tuple[Task[Any, Any], bool, Callable[..., Any]]:
        """With whether it is to be awaited, and what is called."""
        is_async = inspect.iscoroutinefunction(task.func)
        around = self._app.middlewares.around if task.batching is None else self._app.middlewares.around_batch
        return task, is_async, around(task.func, is_async)

    def _arguments(self, job: Claimed) -> tuple[list[Any], dict[str, Any]]:
        call = self._codec.decode(job.body or b"")
        if isinstance(call, list) and len(call) == 2:
            args, kwargs = call
            if isinstance(args, list) and isinstance(kwargs, dict):
                return args, kwargs
        raise ValueError("not a list of arguments and an object of keyword arguments")

    def _begin(self, is_async: bool, options: RunOptions) -> None:
        self._asked = False
        self._awaits = is_async
        if options.soft_timeout is not None:
            self._soft_limit.begin(options.soft_timeout)
        self._running = True  # from here on it can be interrupted
        if options.soft_timeout is not None:
            self.look_at_clock()  # a reminder may have come too early

    def _await(self, func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self._loop is None:
            self._loop = asyncio.Runner()
        try:
            # a copy for each: left alone, asyncio runs all of them in the first one's context
            return self._loop.run(self._track(func(*args, **kwargs)), context=copy_context())
        finally:
            self._coroutine = None

    async def _track(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self._late = None
        if self._soft_limit.is_set:
            self._late = Late(lambda: str(self._soft_limit), lambda: self._asked)
        self._coroutine = asyncio.current_task()
        if self._late is None:
            return await coroutine
        self.look_at_clock()  # it may be over before the job has begun
        return await self._late.watch(coroutine)


def _unfit(job: Claimed, signer: Signer | None) -> Settlement:
    """It is too late for it, it is of another version, or of a task that is not known here; or it only says so."""
    if int(job.version) > WIRE:  # which may be signed in another way
        return _postponed(verdict.postponed_as_newer(job))
    if signer is not None and not verdict.is_genuine(job, signer):
        return verdict.forged(job)
    if job.expired:
        log.info("job.expired id=%s task=%s", job.full_id, job.task_name)
        return verdict.expired(job)
    return _postponed(verdict.postponed(job, f"no task {job.task_name!r} is registered with this worker"))


def _unreadable(job: Claimed, error: Exception) -> Settlement:
    return verdict.dead(job, f"its arguments cannot be read: {error}")


def _unkept(job: Claimed, error: Exception) -> Settlement:
    return verdict.dead(job, f"its result cannot be kept: {describe(error)}", trace(error))


def _postponed(settlement: Settlement) -> Settlement:
    """Tells it, the first time and at the end: most likely a worker runs another app than whoever enqueues."""
    job = settlement.job
    if settlement.way != "p" or not int(job.postponed or 0):
        text = settlement.text.decode() if isinstance(settlement.text, bytes) else settlement.text
        log.warning("job.%s id=%s error=%s", settlement.outcome, job.full_id, text)
    return settlement
