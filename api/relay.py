"""The relay: results from the queue into the database, tasks from the outbox into the queue.

Several at once are harmless: jobs are known by the task's id, endings are noted once, and the feed gives an entry to
one reader at a time. A relay that is killed loses nothing: what it had not written stays in the feed, what it had not
marked is handed over again, to no effect.
"""

import logging
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import redisq

from . import clock, idempotency, migrations, outbox
from .database import Database, Unavailable
from .handover import Handover, job_id, task_of
from .outbox import Ending
from .store import ENDED, Task
from .view import outcome

_log = logging.getLogger(__name__)

_BATCH = 200
_IDLE_SECONDS = 0.5  # how long to wait for endings before the outbox is looked at again
_SWEEP_EVERY = 30.0
_LOST_AFTER = 60 * clock.SECOND
_MAX_BACKOFF = 5.0
_FAILURES = (Unavailable, redisq.RedisQError)
_HOPELESS = (redisq.PayloadTooLarge, redisq.NotSerializable, redisq.InvalidName, redisq.InvalidOption)


class Relay:
    """Moves tasks and results between one database and one queue server."""

    def __init__(self, database: Database, app: redisq.RedisQ, backlog: int) -> None:
        """`backlog`: jobs that may wait in a queue in Redis; what is more stays in the outbox."""
        self._database = database
        self._app = app
        name = migrations.feed_of(database)
        self._feed = cache(lambda: app.feed(name()))
        self._handover = Handover(app, name)
        self._backlog = backlog
        self._swept_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. Waits, longer and longer, while Redis or the database is away."""
        backoff = idle = 0.0
        _log.info("relay.started")
        while not stop.is_set():
            try:
                self.collect(idle)
                idle = 0.0 if self.hand_over() else _IDLE_SECONDS
                if time.monotonic() - self._swept_at >= _SWEEP_EVERY:
                    self.sweep()
                    idempotency.forget_old(self._database)
                    self._swept_at = time.monotonic()
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
            outbox.record(self._database, [ending(delivery.job) for delivery in deliveries])
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
        count = 0
        for queue in outbox.queues(self._database):
            room = self._backlog - self._app.queue(queue).counts()["queued"]
            tasks = outbox.due(self._database, queue, min(room, _BATCH)) if room > 0 else []
            if tasks:
                self._enqueue(tasks)
                count += len(tasks)
        return count

    def sweep(self) -> int:
        """Enqueues again what the queue has lost, and notes endings that nobody told. Answers how many were lost."""
        count, after = 0, ""
        while tasks := outbox.handed_over(self._database, after, clock.now() - _LOST_AFTER, _BATCH):
            after = tasks[-1].id
            jobs = self._app.find_jobs([job_id(task) for task in tasks])
            outbox.record(self._database, [ending(job) for job in jobs if job is not None and job.status in ENDED])
            lost = [task for task, job in zip(tasks, jobs, strict=True) if job is None]
            if lost:
                _log.warning("relay.lost_jobs count=%d first=%s", len(lost), job_id(lost[0]))
                self._enqueue(lost)
                count += len(lost)
        return count

    def _enqueue(self, tasks: Sequence[Task]) -> None:
        try:
            self._handover.enqueue(tasks)
        except _HOPELESS:
            tasks = self._enqueue_one_by_one(tasks)
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
