"""Waiting for many jobs at once, of any queues and apps: for coroutines, and for threads, by an event loop that lasts
as long as the call.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Any, TypeVar

from .errors import InvalidOption, WaitTimeout
from .job import Home, Job
from .loops import new_mailbox
from .queue import Queue
from .times import is_number
from .watch import Ending, news

T = TypeVar("T")

_local = threading.local()


def wait(jobs: Iterable[Job], timeout: float | None = None, first: bool = False) -> list[Job]:
    """The jobs that have ended, as they then are, in the order given, once all have ended, or `timeout` seconds have
    passed (None: no limit). `first`: those that have, once one has.

    A job that failed has ended, too: look at its status. JobNotFound if one is gone; ServerUnavailable.
    """
    jobs = list(jobs)
    with _own_loop(jobs) as run:
        return run(wait_async(jobs, timeout, first))


def as_completed(jobs: Iterable[Job], timeout: float | None = None) -> Generator[Job, None, None]:
    """Each job as soon as it has ended, as it then is. WaitTimeout when `timeout` seconds have passed before all have;
    JobNotFound if one is gone; ServerUnavailable.
    """
    jobs = list(jobs)
    with _own_loop(jobs) as run:
        ended = as_completed_async(jobs, timeout)
        try:
            while True:
                try:
                    job = run(anext(ended))
                except StopAsyncIteration:
                    return
                yield job
        finally:
            run(ended.aclose())


async def wait_async(jobs: Iterable[Job], timeout: float | None = None, first: bool = False) -> list[Job]:
    """As `wait`, of a coroutine."""
    jobs = list(jobs)
    awaited = _awaited(jobs)
    async with aclosing(news(list(awaited), _checked(timeout))) as came:
        async for ending in came:
            awaited[ending].ended(ending)  # raises at once what it has to
            if first:
                break
        over = [ending for ending in awaited if ending.future.done() and not ending.future.cancelled()]
    ended: dict[tuple[Home, str], Job] = {(awaited[one], one.key.id): awaited[one].ended(one) for one in over}
    return [ended[job.home, job.local_id] for job in jobs if (job.home, job.local_id) in ended]


async def as_completed_async(jobs: Iterable[Job], timeout: float | None = None) -> AsyncGenerator[Job, None]:
    """As `as_completed`, of a coroutine: `async for job in redisq.as_completed_async(jobs): ...`"""
    awaited = _awaited(list(jobs))
    left = len(awaited)
    async with aclosing(news(list(awaited), _checked(timeout))) as came:
        async for ending in came:
            left -= 1
            yield awaited[ending].ended(ending)
    if left:
        raise WaitTimeout(f"{left} of {len(awaited)} jobs have not ended")


def _awaited(jobs: Iterable[Job]) -> dict[Ending, Queue]:
    """What is to be waited for, each job once, and its queue."""
    return {queue.ending(local_id): queue for queue, local_id in dict.fromkeys(map(_place, jobs))}


def _place(job: Job) -> tuple[Queue, str]:
    if not isinstance(job, Job) or not isinstance(job.home, Queue):
        raise InvalidOption(f"not a job: {job!r:.200}")
    return job.home, job.local_id


def _checked(timeout: float | None) -> float | None:
    if timeout is not None and not is_number(timeout):
        raise InvalidOption(f"timeout: seconds, not {timeout!r}")
    return timeout


@contextmanager
def _own_loop(jobs: Sequence[Job]) -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Runs coroutines in a loop that only this thread has."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise InvalidOption("this would block the event loop: await redisq.wait_async, or redisq.as_completed_async")
    apps = {id(queue.loops): queue.loops for queue, _ in map(_place, jobs)}.values()
    loop = asyncio.new_event_loop()
    try:
        for loops in apps:
            loops.add(loop, _mailbox())
        yield loop.run_until_complete
    finally:
        for loops in apps:
            loops.forget(loop)
        loop.close()


def _mailbox() -> str:
    """This thread's. One per call would be left behind in the records of jobs that are waited for again and again."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.mailbox = os.getpid(), new_mailbox()
    return str(_local.mailbox)
