"""Enqueueing from coroutines. While a batch is on its way, what comes is collected for the next one, so many coroutines
cost few round trips, and one costs none of the others' time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from .errors import EnqueueUnknown, NotDurable, RedisQError, ServerUnavailable
from .job import Job
from .line import Line, Outcome, in_thread
from .loops import Loop
from .producer import BATCH, BATCH_BYTES, NewJob, Prepared, Producer
from .settings import Settings


class _Part:
    """One caller's share of a batch."""

    __slots__ = ("answered", "jobs", "size")

    def __init__(self, jobs: Sequence[NewJob], answered: asyncio.Future[list[Job]]) -> None:
        self.jobs = jobs
        self.answered = answered
        self.size = sum(len(job.body) for job in jobs)


class Pump:
    """Enqueues into one queue, for one event loop, under one durability."""

    def __init__(self, loop: asyncio.AbstractEventLoop, producer: Producer, line: Line, durable: bool) -> None:
        self._loop = loop
        self._producer = producer
        self._line = line
        self._durable = durable
        self._waiting: deque[_Part] = deque()
        self._on_its_way = False

    def send(self, jobs: Sequence[NewJob]) -> asyncio.Future[list[Job]]:
        """As Producer.send. Cancelled, it leaves jobs of which it is not known whether they exist."""
        part = _Part(jobs, self._loop.create_future())
        self._waiting.append(part)
        if not self._on_its_way:
            self._next()
        return part.answered

    def close(self) -> None:
        """Its line is closed apart."""

    def _next(self) -> None:
        """Send what has been collected, as much as goes into one batch."""
        parts: list[_Part] = []
        count = size = 0
        while self._waiting and (not parts or (count + len(self._waiting[0].jobs) <= BATCH and size <= BATCH_BYTES)):
            part = self._waiting.popleft()
            if not part.answered.done():  # cancelled before it was sent
                parts.append(part)
                count += len(part.jobs)
                size += part.size
        self._on_its_way = bool(parts)
        if not parts:
            return
        jobs = [job for part in parts for job in part.jobs]
        if self._durable or self._producer.has_to_announce_elsewhere():
            in_thread(self._loop, lambda: self._attempt(jobs), lambda answers: self._done(parts, answers))
        else:
            prepared = self._producer.prepare(jobs)
            self._line.call(prepared.commands, lambda outcome: self._answered(parts, prepared, outcome))

    def _attempt(self, jobs: Sequence[NewJob]) -> Sequence[Job | RedisQError] | Exception:
        try:
            return self._producer.attempt(jobs)
        except Exception as error:
            return error

    def _answered(self, parts: Sequence[_Part], prepared: Prepared, outcome: Outcome) -> None:
        try:
            answers: Sequence[Job | RedisQError] | Exception = self._producer.conclude(prepared, outcome)
        except Exception as error:
            answers = error
        self._done(parts, answers)

    def _done(self, parts: Sequence[_Part], answers: Sequence[Job | RedisQError] | Exception) -> None:
        """Give each caller its own. The next batch goes when they have run: then it has what they enqueue at once."""
        at = 0
        for part in parts:
            mine = answers if isinstance(answers, Exception) else answers[at : at + len(part.jobs)]
            at += len(part.jobs)
            if not part.answered.done():
                _give(part, mine)
        self._loop.call_soon(self._next)


def _give(part: _Part, answers: Sequence[Job | RedisQError] | Exception) -> None:
    if isinstance(answers, Exception):
        part.answered.set_exception(_own(answers, part.jobs))
        return
    jobs = [answer for answer in answers if isinstance(answer, Job)]
    if len(jobs) == len(answers):
        part.answered.set_result(jobs)
    else:
        part.answered.set_exception(next(answer for answer in answers if isinstance(answer, Exception)))


def _own(error: Exception, jobs: Sequence[NewJob]) -> Exception:
    """What befell all, as an error of one caller's own: it names this caller's jobs, and has a traceback of its own."""
    if isinstance(error, (EnqueueUnknown, NotDurable)):
        own: Exception = type(error)(str(error), tuple(job.local_id for job in jobs))
    elif isinstance(error, ServerUnavailable):
        own = ServerUnavailable(str(error))
    elif isinstance(error, RedisQError):
        own = type(error)(str(error))
    else:
        return error
    own.__cause__ = error.__cause__
    return own


def send(settings: Settings, producer: Producer, jobs: Sequence[NewJob]) -> Awaitable[list[Job]]:
    """As Producer.send, a batch at most."""
    here = settings.loops.here()
    durability = producer.durability(jobs)

    def make(here: Loop) -> Pump:
        line = here.line(producer.route, settings.patience)
        return Pump(here.loop, producer, line, durable=durability is not None)

    answered, eager = here.get((producer, durability), make).send(jobs), settings.eager
    return answered if eager is None else _eagerly(answered, eager)


async def _eagerly(answered: Awaitable[list[Job]], eager: Callable[[list[Job]], list[Job]]) -> list[Job]:
    return eager(await answered)
