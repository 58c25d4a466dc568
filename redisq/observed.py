"""Enqueueing where middlewares are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from .bound import BoundQueue
from .enqueueing import EnqueueCall, Observers
from .job import Job
from .options import check_headers
from .producer import NewJob
from .settings import Settings


class Outgoing:
    """Jobs that are enqueued together, each with what middlewares see of it."""

    def __init__(self, settings: Settings, queue: str, jobs: Sequence[NewJob]) -> None:
        self.calls = [
            EnqueueCall(queue, job.local_id, job.task, job.body, job.options.headers, settings.codec) for job in jobs
        ]
        self._jobs = jobs

    def jobs(self) -> list[NewJob]:
        """With the headers that they now have. InvalidOption."""
        return [_with_headers(*row) for row in zip(self._jobs, self.calls, strict=True)]

    def note(self, answers: list[Job]) -> list[Job]:
        """The jobs as the caller gets them."""
        for call, job in zip(self.calls, answers, strict=True):
            call.job = job
        return answers


@contextmanager
def telling(settings: Settings, observers: Observers, queue: str, jobs: Sequence[NewJob]) -> Iterator[Outgoing]:
    """Middlewares are told before the block and after it, also when it fails, or one of them does."""
    outgoing = Outgoing(settings, queue, jobs)
    try:
        for call in outgoing.calls:
            observers.before(call)
        yield outgoing
    except BaseException as error:
        for call in outgoing.calls:
            call.error = error
        raise
    finally:
        for call in outgoing.calls:
            observers.after(call)


class ObservedQueue(BoundQueue):
    """As BoundQueue, of an app whose middlewares want to know what is enqueued."""

    def send(self, jobs: Sequence[NewJob]) -> list[Job]:
        with self._telling(jobs) as outgoing:
            return outgoing.note(super().send(outgoing.jobs()))

    async def send_async(self, jobs: Sequence[NewJob]) -> list[Job]:
        with self._telling(jobs) as outgoing:
            return outgoing.note(await super().send_async(outgoing.jobs()))

    def _telling(self, jobs: Sequence[NewJob]) -> AbstractContextManager[Outgoing]:
        assert self._settings.observers is not None
        return telling(self._settings, self._settings.observers, self._producer.queue, jobs)


def _with_headers(job: NewJob, call: EnqueueCall) -> NewJob:
    headers = check_headers(call.headers) or None
    if headers == job.options.headers:
        return job
    return job._replace(options=msgspec.structs.replace(job.options, headers=headers))
