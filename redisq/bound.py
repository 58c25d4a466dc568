"""What is enqueued: calls by their arguments, and payloads, under options; by threads and by coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import keys, pump
from .errors import InvalidOption
from .job import Job
from .options import CallOptions
from .producer import NewJob, Producer, batches
from .settings import Settings

#: What is told how many calls are acknowledged.
Progress = Callable[[int], object]
#: A call of enqueue_many: arguments, keyword arguments and, if wanted, options of its own.
Call = tuple[Sequence[Any], Mapping[str, Any]] | tuple[Sequence[Any], Mapping[str, Any], Mapping[str, Any]]


class BoundQueue:
    """A queue, and options for the calls that are made through it."""

    def __init__(self, settings: Settings, producer: Producer, options: CallOptions) -> None:
        self._settings = settings
        self._producer = producer
        self._options = options

    def options(self, **options: Any) -> BoundQueue:
        """With these options over the ones given before."""
        return type(self)(self._settings, self._producer, self._options.with_(**options))

    def enqueue(self, task: str, /, *args: Any, **kwargs: Any) -> Job:
        """See Queue.enqueue."""
        return self.send([self._new(task, (args, kwargs))])[0]

    def enqueue_many(self, task: str, calls: Iterable[Call]) -> list[Job]:
        """See Queue.enqueue_many."""
        return [job for batch in self._batches(task, calls) for job in self.send(batch)]

    def enqueue_bulk(self, task: str, calls: Iterable[Call], progress: Progress | None = None) -> int:
        """See Queue.enqueue_bulk."""
        done = 0
        for batch in self._batches(task, calls):
            done += len(self.send(batch))
            if progress is not None:
                progress(done)
        return done

    def put(self, payload: Any) -> Job:
        """See Queue.put."""
        return self.send([self._payload(payload)])[0]

    async def enqueue_async(self, task: str, /, *args: Any, **kwargs: Any) -> Job:
        """See Queue.enqueue_async."""
        return (await self.send_async([self._new(task, (args, kwargs))]))[0]

    async def enqueue_many_async(self, task: str, calls: Iterable[Call]) -> list[Job]:
        """See Queue.enqueue_many_async."""
        return [job for batch in self._batches(task, calls) for job in await self.send_async(batch)]

    async def enqueue_bulk_async(self, task: str, calls: Iterable[Call], progress: Progress | None = None) -> int:
        """See Queue.enqueue_bulk_async."""
        done = 0
        for batch in self._batches(task, calls):
            done += len(await self.send_async(batch))
            if progress is not None:
                progress(done)
        return done

    async def put_async(self, payload: Any) -> Job:
        """See Queue.put_async."""
        return (await self.send_async([self._payload(payload)]))[0]

    def send(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See Producer.send."""
        return self._producer.send(jobs)

    def send_async(self, jobs: Sequence[NewJob]) -> Awaitable[list[Job]]:
        """See pump.send."""
        return pump.send(self._settings, self._producer, jobs)

    def _batches(self, task: str, calls: Iterable[Call]) -> Iterator[list[NewJob]]:
        return batches(self._new(task, call) for call in calls)

    def _payload(self, payload: Any) -> NewJob:
        new = NewJob.make("", self._settings.codec.encode(payload), self._options)
        return new.under_policy((payload,), {})

    def _new(self, task: str, call: Call) -> NewJob:
        args, kwargs, *more = call
        are_args = isinstance(args, Sequence) and not isinstance(args, str | bytes)
        if len(more) > 1 or not are_args or not isinstance(kwargs, Mapping):
            raise InvalidOption(f"a call is (args, kwargs) or (args, kwargs, options), not {call!r:.200}")
        keys.check_task(task)
        options = self._options.with_(**more[0]) if more else self._options
        new = NewJob.make(task, self._settings.codec.encode([args, dict(kwargs)]), options)
        plain = options.policy is None and options.after is None
        return new if plain else new.under_policy(args, kwargs)
