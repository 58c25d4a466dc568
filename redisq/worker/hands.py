"""Who runs the jobs of a child that runs several: threads for plain functions, one event loop for async ones."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue

from ..claimed import Settlement
from ..current import enter
from ..errors import SoftTimeout
from .runner import Runner, Stopped
from .soft import Late
from .stint import Stint
from .together import Together

log = logging.getLogger(__name__)

#: Seconds for what jobs have left in the event loop to end with it.
CLOSE_TIME = 1.0

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc

Done = Callable[[Stint, list[Settlement]], None]


class Hands(ABC):
    """Runs up to `count` jobs at a time; `free`: how many more. For one thread: the one that calls `start` and
    `release`. `done` is called by others.
    """

    def __init__(self, count: int, runner: Runner, done: Done) -> None:
        self.count = count
        self.free = count
        self._runner = runner
        self._done = done

    def start(self, stint: Stint) -> None:
        """Run it now: one is free."""
        self.free -= 1
        self._start(stint)

    def release(self) -> None:
        """One that has ended is seen: another may start."""
        self.free += 1

    def _failed(self, stint: Stint, error: BaseException) -> list[Settlement]:
        """The stint has raised this, or was asked to stop."""
        if stint.asked:
            return stint.stopped()
        if isinstance(error, SoftTimeout) and not error.args:
            error.args = (stint.lateness,)
        if stint.together is not None:
            return stint.together.failed(error)
        return [self._runner.failed(stint.job, error, stint.options)]

    @abstractmethod
    def _start(self, stint: Stint) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class Threads(Hands):
    """For plain functions. A thread is made when it is first needed."""

    def __init__(self, count: int, runner: Runner, done: Done) -> None:
        super().__init__(count, runner, done)
        self._inbox: SimpleQueue[Stint | None] = SimpleQueue()
        self._made = 0

    def _start(self, stint: Stint) -> None:
        if self._made < self.count - self.free:
            self._made += 1
            threading.Thread(target=self._work, name=f"redisq-job-{self._made}", daemon=True).start()
        self._inbox.put(stint)

    def close(self) -> None:
        for _ in range(self._made):
            self._inbox.put(None)

    def _work(self) -> None:
        ident = threading.get_ident()
        while (stint := self._inbox.get()) is not None:
            self._done(stint, self._see_through(stint, ident))

    def _see_through(self, stint: Stint, ident: int) -> list[Settlement]:
        """An interruption may come between any two steps, until the stint has ended."""
        settled = None
        while True:
            try:
                if settled is None:
                    asked = stint.begin(partial(_raise, ident, Stopped), partial(_raise, ident, SoftTimeout))
                    settled = stint.stopped() if asked else copy_context().run(self._run, stint)
                stint.end(partial(_calm, ident))
            except Stopped:
                settled = settled or stint.stopped()
            except SoftTimeout as error:  # it came when the function had returned, and its result was not kept yet
                settled = settled or self._failed(stint, error)
            else:
                return settled

    def _run(self, stint: Stint) -> list[Settlement]:
        if stint.together is not None:
            return self._run_together(stint, stint.together)
        try:
            call = self._runner.prepare(stint.job)
            if isinstance(call, Settlement):
                return [call]
            current, func = call
            enter(current)
            result = func(*current.args, **current.kwargs)
        except BaseException as error:  # SystemExit, too, is the job's failure and not the worker's
            return self._failed(stint, error)
        return [self._runner.succeeded(stint.job, result, stint.options, current)]

    def _run_together(self, stint: Stint, together: Together) -> list[Settlement]:
        try:
            func, calls = together.prepare()
            result = func(calls) if func else None
        except BaseException as error:
            return self._failed(stint, error)
        return together.returned(result)


def _raise(ident: int, error: type[BaseException]) -> None:
    """In this thread, when it next executes Python code."""
    _set_async_exc(ctypes.c_ulong(ident), ctypes.py_object(error))


def _calm(ident: int) -> None:
    _set_async_exc(ctypes.c_ulong(ident), None)


class Loop(Hands):
    """For coroutines, in a thread that is made when it is first needed."""

    def __init__(self, count: int, runner: Runner, done: Done) -> None:
        super().__init__(count, runner, done)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._closed = threading.Event()

    def _start(self, stint: Stint) -> None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._main, args=[self._loop], name="redisq-loop", daemon=True).start()
        self._loop.call_soon_threadsafe(self._begin, self._loop, stint)

    def close(self) -> None:
        if self._loop is not None:
            self._closing = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._closed.wait(CLOSE_TIME)

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop()
            while not self._closing:  # what a task of a job's own raises, or a stop by a job, ends no other job
                try:
                    loop.run_forever()
                except BaseException as error:
                    log.warning("loop.trouble error=%r", error)
        self._closed.set()

    def _begin(self, loop: asyncio.AbstractEventLoop, stint: Stint) -> None:
        late = None
        if stint.options.soft_timeout is not None:
            late = Late(lambda: stint.lateness, lambda: stint.asked)
        task = loop.create_task(self._run(stint, late))
        task.add_done_callback(partial(self._end, stint))
        soften = partial(loop.call_soon_threadsafe, late.tell, task) if late else None
        if stint.begin(partial(loop.call_soon_threadsafe, task.cancel), soften):
            task.cancel()

    def _end(self, stint: Stint, task: asyncio.Task[list[Settlement]]) -> None:
        stint.end()
        self._done(stint, stint.stopped() if task.cancelled() else task.result())

    async def _run(self, stint: Stint, late: Late | None) -> list[Settlement]:
        if stint.together is not None:
            return await self._run_together(stint, stint.together, late)
        try:
            call = self._runner.prepare(stint.job)
            if isinstance(call, Settlement):
                return [call]
            current, func = call
            enter(current)
            coroutine = func(*current.args, **current.kwargs)
            result = await (late.watch(coroutine) if late else coroutine)
        except BaseException as error:  # SystemExit, too, is the job's failure and not the worker's
            return self._failed(stint, error)
        return [self._runner.succeeded(stint.job, result, stint.options, current)]

    async def _run_together(self, stint: Stint, together: Together, late: Late | None) -> list[Settlement]:
        try:
            func, calls = together.prepare()
            if func is None:
                return together.returned(None)
            coroutine = func(calls)
            result = await (late.watch(coroutine) if late else coroutine)
        except BaseException as error:
            return self._failed(stint, error)
        return together.returned(result)
