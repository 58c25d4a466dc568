"""The relay: results from the queue into the database, tasks from the outbox into the queue, samples of the queues.

Several at once share the work: a row is one relay's to hand over, for a time, and the feed gives an entry to one reader
at a time. A relay that is killed loses nothing: what it had not written stays in the feed, what it had not marked is
handed over again by another, and that has no effect if it was in the queue already, since jobs are known by the task's
id. Endings are noted once.
"""

import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

import redisq

from . import clock, idempotency, limits, migrations, outbox, store
from .database import Database, Unavailable
from .handover import Handover, job_id, task_of
from .history import Sampler
from .outbox import Bound, Ending
from .room import Window
from .settings import Settings
from .store import ENDED, Task
from .view import outcome
from .webhooks.courier import Courier, is_attempt

_log = logging.getLogger(__name__)

_BATCH = 200
_IDLE_SECONDS = 0.5  # how long to wait for endings before the outbox is looked at again
_SWEEP_EVERY = 30.0
_LOST_AFTER = 60 * clock.SECOND
_PROBE_EVERY = 5.0
_PROBES = 10
_CLEAN_BATCH = 500
_MAX_BACKOFF = 5.0
_FAILURES = (Unavailable, redisq.RedisQError)
_HOPELESS = (redisq.PayloadTooLarge, redisq.NotSerializable, redisq.InvalidName, redisq.InvalidOption)


class Relay:
    """Moves tasks and results between one database and one queue server."""

    def __init__(
        self,
        database: Database,
        app: redisq.RedisQ,
        backlog: int,
        backlog_bytes: int = 2**62,
        keep_days: int = 0,
        courier: Courier | None = None,
    ) -> None:
        """`backlog`, `backlog_bytes`: what Redis may have of a queue; what is more stays in the outbox. `keep_days`:
        days after which ended tasks are deleted; 0: never. `courier`: for the deliveries of webhooks.
        """
        self._database = database
        self._app = app
        self._feed_name = migrations.feed_of(database)
        self._feed = cache(lambda: app.feed(self._feed_name()))
        self._producing = app
        self._handover = Handover(app, self._feed_name)
        self._bound = Bound(backlog, backlog_bytes)
        self._windows: defaultdict[str, Window] = defaultdict(Window)
        self._last: dict[str, int] = {}  # by queue, the account whose turn was last
        self._swept_at = self._probed_at = float("-inf")
        self._sweeping: Iterator[int] | None = None
        self._keep = keep_days * 86400 * clock.SECOND
        self._clean_at = 0.0
        self._sampler = Sampler(database, app)
        self._courier = courier or Courier(database, app, self._feed_name, Settings())

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. Waits, longer and longer, while Redis or the database is away."""
        backoff = idle = 0.0
        _log.info("relay.started")
        while not stop.is_set():
            try:
                self.collect(idle)
                idle = 0.0 if self.hand_over() else _IDLE_SECONDS
                self._sweep_on()
                self._sampler.sample()
                if time.monotonic() >= self._clean_at:
                    # One batch at a time: what ends meanwhile must not wait for the cleaning.
                    is_done = self.clean() < _CLEAN_BATCH
                    self._clean_at = time.monotonic() + _SWEEP_EVERY if is_done else 0.0
            except _FAILURES as error:
                backoff = min(max(2 * backoff, 0.1), _MAX_BACKOFF)
                _log.warning("relay.waiting seconds=%.1f error=%s", backoff, error)
                stop.wait(backoff * random.uniform(0.5, 1.0))
            else:
                if backoff:
                    _log.info("relay.recovered")
                backoff = 0.0
        _log.info("relay.stopped")

    def collect(self, timeout: float = 0.0) -> int:
        """Notes how jobs ended, in one transaction; waits up to `timeout` for the first. Answers how many."""
        deliveries = self._feed().claim_many(_BATCH, timeout)
        if not deliveries:
            return 0
        try:
            jobs = [delivery.job for delivery in deliveries]
            outbox.record(self._database, [ending(job) for job in jobs if not is_attempt(job)])
            if told := [job for job in jobs if is_attempt(job)]:
                self._courier.collect(told)
        except BaseException:
            for delivery in deliveries:
                with suppress(redisq.RedisQError):
                    delivery.release()
            raise
        # What is no longer ours by now is told again, to somebody who finds it noted.
        with suppress(redisq.LeaseLost):
            self._feed().ack_many(deliveries)
        return len(deliveries)

    def hand_over(self) -> int:
        """Enqueues what is due in the outbox, as far as the queues have room. Answers how many."""
        expired = outbox.take_over(self._database, _BATCH)
        self._enqueue(expired)
        handed_over = sum(self._hand_over(queue) for queue in outbox.queues(self._database))
        return len(expired) + handed_over + self._courier.hand_over()

    def sweep(self) -> int:
        """Enqueues again what the queue has lost, and notes endings that nobody told. Answers how many were lost."""
        return sum(self._sweep(clock.now() - _LOST_AFTER))

    def _hand_over(self, queue: str) -> int:
        counts = self._app.queue(queue).counts()
        window = self._windows[queue]
        room = window.room(counts["queued"], counts["running"])
        room = min(room, self._bound.jobs - counts["queued"], _BATCH)
        if room <= 0:
            return 0
        tasks = outbox.take(self._database, queue, self._bound, room, self._last.get(queue, 0))
        if tasks:
            self._enqueue(tasks)
            window.came(len(tasks))
            self._last[queue] = tasks[-1].account_id
        return len(tasks)

    def _sweep_on(self) -> None:
        """Goes on with a sweep by one step, so that it holds up nobody, or begins one when there is reason to."""
        now = time.monotonic()
        if self._sweeping is None and now - self._swept_at >= _SWEEP_EVERY:
            self._swept_at = now
            idempotency.forget_old(self._database)
            limits.forget_paid(self._database)
            self._sweeping = self._sweep(clock.now() - _LOST_AFTER)
            self._courier.sweep()
        elif self._sweeping is None and now - self._probed_at >= _PROBE_EVERY:
            self._probed_at = now
            if self._has_lost_some():
                self._sweeping = self._sweep(clock.now())
        if self._sweeping is not None and next(self._sweeping, None) is None:
            self._sweeping = None

    def _has_lost_some(self) -> bool:
        """Whether Redis does not know the oldest of the jobs that it was given, or the newest."""
        probes = outbox.ends_of_handed_over(self._database, _PROBES)
        return None in self._app.find_jobs([job_id(task) for task in probes])

    def _sweep(self, created_before: int) -> Iterator[int]:
        after = ""
        while tasks := outbox.handed_over(self._database, after, created_before, _BATCH):
            after = tasks[-1].id
            jobs = self._app.find_jobs([job_id(task) for task in tasks])
            outbox.record(self._database, [ending(job) for job in jobs if job is not None and job.status in ENDED])
            # Redis forgets a job only after the database knows its end: what still has not ended there, was lost.
            lost = outbox.take_back(
                self._database, [task for task, job in zip(tasks, jobs, strict=True) if job is None]
            )
            if lost:
                _log.warning("relay.lost_jobs count=%d first=%s", len(lost), job_id(lost[0]))
                self._enqueue(lost)
            yield len(lost)

    def clean(self) -> int:
        """Deletes a batch of the tasks, and of the deliveries, that ended long enough ago. Answers how many of those of
        which there may be more.
        """
        if not self._keep:
            return 0
        before = clock.now() - self._keep
        return max(store.forget_old(self._database, before, _CLEAN_BATCH), self._courier.clean(before, _CLEAN_BATCH))

    def _introduce(self, tasks: Sequence[Task]) -> None:
        """A Redis that lost everything has lost the names of its queues, by which feeds are read, too.

        Who had told them does not do so again for a while; a new producer does.
        """
        if {task.queue for task in tasks} <= self._app.queue_names():
            return
        known, self._producing = self._producing, self._app.replace()
        self._handover = Handover(self._producing, self._feed_name)
        if known is not self._app:
            known.close()

    def _enqueue(self, tasks: Sequence[Task]) -> None:
        if not tasks:
            return
        try:
            self._introduce(tasks)
            self._handover.enqueue(tasks)
        except _HOPELESS:
            tasks = self._enqueue_one_by_one(tasks)
        except redisq.RedisQError:
            # They are not lost, only late, if this cannot be noted either.
            with suppress(Unavailable):
                outbox.release(self._database, tasks)
            raise
        self._handover.cancel(outbox.mark_handed_over(self._database, tasks))

    def _enqueue_one_by_one(self, tasks: Sequence[Task]) -> list[Task]:
        """Ends the tasks that can never be a job as failed, so that they do not hold up the others."""
        enqueued: list[Task] = []
        for task in tasks:
            try:
                self._handover.enqueue([task])
                enqueued.append(task)
            except _HOPELESS as error:
                _log.warning("relay.impossible_job id=%s error=%s", job_id(task), error)
                ended = Ending(task.id, "failed", 1, None, clock.now(), None, str(error), task.run)
                outbox.record(self._database, [ended])
        return enqueued


def ending(job: redisq.Job) -> Ending:
    """How a job ended, as the database keeps it."""
    task_id, run = task_of(job.local_id)
    return Ending(task_id=task_id, run=run, **outcome(job))
