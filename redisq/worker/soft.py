"""Soft limits: a job that runs longer gets a SoftTimeout where it is."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine as awaitable
from typing import Any

from ..errors import SoftTimeout

#: Seconds until it is told again: a signal that comes just before a thread begins to wait in the kernel wakes nobody.
AGAIN = 0.1


class Interruption(SoftTimeout, asyncio.CancelledError):
    """In a coroutine a SoftTimeout is a cancellation too, so that task groups in it end what they hold."""


class SoftLimit:
    """The limit of the job that runs in the main thread. When it is over, another thread signals that one, which so
    wakes from what it waits for; the signal's handler asks `is_over`. The thread is started when first needed.
    """

    def __init__(self, remind: Callable[[], None] | None = None) -> None:
        self._remind = remind or partial(signal.pthread_kill, threading.main_thread().ident or 0, signal.SIGUSR1)
        self._at = float("inf")
        self._seconds = 0.0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self, seconds: float) -> None:
        with self._changed:
            self._seconds, self._at = seconds, time.monotonic() + seconds
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="redisq-soft-limit", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The job has ended, or has been told."""
        self._at = float("inf")

    @property
    def is_set(self) -> bool:
        return self._at < float("inf")

    def is_over(self) -> bool:
        return time.monotonic() >= self._at

    def __str__(self) -> str:
        return f"it ran longer than {self._seconds:g} s"

    def _run(self) -> None:
        while True:
            with self._changed:
                left = self._at - time.monotonic()
                if left > 0:
                    self._changed.wait(None if left == float("inf") else left)
                    continue
            self._remind()
            with self._changed:
                self._changed.wait(AGAIN)


@awaitable
def interruptible(
    coroutine: Coroutine[Any, Any, Any], translate: Callable[[BaseException], BaseException]
) -> Generator[Any, Any, Any]:
    """Awaits it; what is thrown in comes to it as `translate` says."""
    steps = coroutine.__await__()
    step: Callable[[], Any] = partial(next, steps)
    while True:
        try:
            awaited = step()
        except StopIteration as done:
            return done.value
        try:
            step = partial(steps.send, (yield awaited))
        except BaseException as error:
            step = partial(steps.throw, translate(error))


class Late:
    """The soft limit of one coroutine, in its loop's thread. `text`: what its SoftTimeout says. `asked`: whether its
    job was asked to stop, too: then a cancellation is one.
    """

    def __init__(self, text: Callable[[], str], asked: Callable[[], bool]) -> None:
        self._text = text
        self._asked = asked
        self._task: asyncio.Task[Any] | None = None

    def tell(self, task: asyncio.Task[Any]) -> None:
        """It is over: the coroutine, which `task` runs, gets a SoftTimeout where it is."""
        self._task = task
        task.cancel()

    async def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Awaits it."""
        try:
            return await interruptible(coroutine, self._translate)
        except Interruption as error:  # it did its work as a cancellation: to asyncio the job has failed
            raise SoftTimeout(*error.args).with_traceback(error.__traceback__) from None

    def _translate(self, thrown: BaseException) -> BaseException:
        """A cancellation of ours comes to the job as a SoftTimeout."""
        task = self._task
        if task is None or not isinstance(thrown, asyncio.CancelledError) or self._asked():
            return thrown
        self._task = None
        task.uncancel()
        return Interruption(self._text())
