"""Runs what is queued, in the calling thread: claimed, run and settled by the code of the worker and of queue.claim."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import datetime
from typing import Any

import msgspec

from .. import claimed as verdict
from .. import keys
from ..app import RedisQ
from ..claimed import Claimed, Settlement, Source
from ..claimer import keeping
from ..consumer import Open
from ..current import CurrentJob
from ..endpoint import Command
from ..errors import InvalidOption, UnknownTask
from ..forward import drain
from ..job import Job
from ..options import RunOptions
from ..worker.outcomes import Outcomes
from ..worker.runner import Runner
from ..worker.together import Together
from .connecting import Connection, connection_of

#: Runs after which it is taken for granted that there is no end to it.
AT_MOST = 10_000


def run_all(
    app: RedisQ,
    queues: Sequence[str] | None = None,
    *,
    scheduled: bool = False,
    until: datetime | None = None,
    raising: bool = True,
    at_most: int = AT_MOST,
) -> list[Job]:
    """Run what is queued, one job after the other in this thread, until nothing is left: what the jobs enqueue runs
    too, and retries do at once. Answers the jobs that ran, in the order of their first run, as they then are.

    `queues`: which, in strict priority; None for all, by their names. `scheduled`: jobs with a delay run too, in the
    order of their times, without waiting; `until`: those that are due by this time, an aware datetime. `raising`: the
    exception of the first job that fails for good is raised; the rest is left. UnknownTask for a job whose task the app
    does not have; InvalidOption if the app is not connected; AssertionError after `at_most` runs.

    A task with `batch` gets them one by one, too. Time limits are not enforced. In a running event loop, coroutines run
    in another thread while the loop waits.
    """
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
        raise InvalidOption(f"until: an aware datetime, not {until!r:.200}")
    if isinstance(queues, str):
        raise InvalidOption(f"queues: a list of names, not {queues!r:.200}")
    latest = float("inf") if scheduled else until.timestamp() * 1000 if until is not None else float("-inf")
    run = _Run(connection_of(app), queues, latest, raising)
    try:
        run.all(at_most)
    finally:
        run.close()
    return [job for job in app.find_jobs(list(run.seen)) if job is not None]


@contextmanager
def eager(app: RedisQ, *, scheduled: bool = False, raising: bool = False) -> Iterator[RedisQ]:
    """While the block lasts, enqueueing is followed by `run_all`, and answers the job as it then is. The job has been
    through the server like any other: its arguments and its result are what JSON makes of them.

    `scheduled`, `raising`: see `run_all`; unless raising, a failure is that of the job: `job.wait()` raises JobFailed.
    """
    connection_of(app)

    def run(jobs: list[Job]) -> list[Job]:
        run_all(app, scheduled=scheduled, raising=raising)
        now = app.find_jobs([job.id for job in jobs])
        for job, is_now in zip(jobs, now, strict=True):
            if is_now is not None:
                is_now.created = job.created
        return [is_now or job for job, is_now in zip(jobs, now, strict=True)]

    before, app.settings.eager = app.settings.eager, run
    try:
        yield app
    finally:
        app.settings.eager = before


class _Runner(Runner):
    """A worker's, which keeps what the job raised."""

    def __init__(self, app: RedisQ) -> None:
        super().__init__(app, "")
        self.error: BaseException | None = None
        self._batchings = self.batchings()
        self._told = Outcomes(app).of_runs(self._settled)

    def run_for(self, worker: str, job: Claimed) -> Settlement:
        """See Runner.run. `error` is what was raised, if something was."""
        self._worker, self.error = worker, None
        return self._told(job, self.options(job))

    def _settled(self, job: Claimed, options: RunOptions) -> Settlement:
        if job.task in self._batchings:
            return Together(self, [job]).run()[0]
        # a soft limit would signal this process, which is not a worker's
        return self.run(job, msgspec.structs.replace(options, soft_timeout=None))

    def failed(self, job: Claimed, error: BaseException, options: RunOptions) -> Settlement:
        self.error = error
        return super().failed(job, error, options)

    def call(self, func: Callable[..., Any], calls: list[CurrentJob], options: RunOptions) -> Any:
        try:
            return super().call(func, calls, msgspec.structs.replace(options, soft_timeout=None))
        except BaseException as error:
            self.error = error
            raise

    def _await(self, func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not _in_a_loop():
            return super()._await(func, args, kwargs)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(copy_context().run, asyncio.run, func(*args, **kwargs)).result()


class _Run:
    """One call of run_all. `seen`: the ids of the jobs that ran."""

    def __init__(self, connection: Connection, queues: Sequence[str] | None, latest: float, raising: bool) -> None:
        self._app = connection.app
        self._settings = connection.app.settings
        self._ran = connection.ran
        self._all = queues is None
        self._latest = latest
        self._raising = raising
        self._sources = self._new(sorted(self._app.queue_names()) if queues is None else queues)
        self._consumer = connection.consumers.new(self._sources)
        self._runner = _Runner(self._app)
        self._to_retry: dict[tuple[Source, str], None] = {}
        self._brought: set[tuple[Source, str]] = set()
        self.seen: dict[str, None] = {}

    def all(self, at_most: int) -> None:
        runs, idle = 0, False
        while True:
            opened = self._consumer.claim(1, 0.0) if self._sources else []
            if opened:
                runs, idle = runs + 1, False
                if runs > at_most:
                    raise AssertionError(f"no end after {at_most} runs: the next is {opened[0].claimed.full_id}")
                self._run(opened[0])
            elif self._bring():
                idle = False
            elif idle:
                return
            else:
                idle = True  # once more, since house was kept

    def close(self) -> None:
        self._runner.close()
        self._consumer.leave()

    def _run(self, opened: Open) -> None:
        job = opened.claimed
        self._brought.clear()
        self._to_retry.pop((job.source, job.id.decode()), None)
        self.seen[job.full_id] = None
        self._ran.setdefault(job.full_id, self._app.queue(job.source.name).read(job))
        settlement, error = self._runner.run_for(opened.worker, job), self._runner.error
        passes_by = error is not None and not isinstance(error, (Exception, SystemExit, asyncio.CancelledError))
        self._consumer.settle([(opened, verdict.released(job) if passes_by else settlement)])
        if error is not None and (passes_by or (settlement.way == "f" and self._raising)):
            raise error
        if settlement.way == "r":
            self._to_retry[job.source, job.id.decode()] = None
        elif self._raising and settlement.way in "fp":
            text = settlement.text.decode() if isinstance(settlement.text, bytes) else settlement.text
            raise (UnknownTask if settlement.way == "p" else AssertionError)(f"job {job.full_id}: {text}")

    def _bring(self) -> bool:
        """Nothing is left that can be claimed: have more. Whether there may be some."""
        for source in self._sources:
            while drain(self._settings, source):
                pass
        if self._all and (names := self._app.queue_names() - {source.name for source in self._sources}):
            self._consumer.add_sources(self._new(sorted(names)))
            self._sources = self._consumer.sources
            return True
        if not self._sources:
            return False
        self._ask(keeping(self._settings, self._sources))
        due = self._next()
        if due is None:
            return False
        source, local_id = due
        self._brought.add(due)
        make_due = ("ZADD", source.base + keys.NAMES["scheduled"], "XX", 0, local_id)
        self._ask([make_due, *keeping(self._settings, [source])])
        return True

    def _next(self) -> tuple[Source, str] | None:
        """The one whose time comes first, of those that are to run. One that was brought, and not given out for all
        that, is held back by a limit.
        """
        found: list[tuple[float, Source, str]] = []
        for source, local_id in list(self._to_retry):
            at = self._ask([("ZSCORE", source.base + keys.NAMES["scheduled"], local_id)])[0]
            if at is not None and (source, local_id) not in self._brought:
                found.append((float(at), source, local_id))
        if self._latest > float("-inf"):
            some = ("LIMIT", 0, len(self._brought) + 1)
            for source in self._sources:
                key = source.base + keys.NAMES["scheduled"]
                flat = self._ask([("ZRANGEBYSCORE", key, "-inf", self._latest, "WITHSCORES", *some)])[0]
                for raw_id, at in _pairs(flat):
                    if (source, raw_id.decode()) not in self._brought:
                        found.append((at, source, raw_id.decode()))
        return min(found)[1:] if found else None

    def _new(self, names: Sequence[str]) -> list[Source]:
        return [Source(name, self._app.queue(name).base) for name in names]

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        return self._settings.server.ask(commands, self._settings.patience)


def _in_a_loop() -> bool:
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        return True
    return False


def _pairs(flat: Any) -> Iterator[tuple[bytes, float]]:
    """Members and scores, as RESP2 or RESP3 has them."""
    if flat and isinstance(flat[0], list):
        yield from ((member, float(score)) for member, score in flat)
    else:
        yield from zip(flat[::2], map(float, flat[1::2]), strict=True)
