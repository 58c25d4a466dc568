"""The real scripts, driven at random through the library's own calls, against a small model of what they promise.

After every step, all that stands in Redis is compared with the model: each job is in exactly one place. How far it
goes is told by REDISQ_MODEL_EXAMPLES (sequences of steps) and REDISQ_MODEL_SEED; with REDISQ_MODEL_SHRINK=1 a failure
is made smaller.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from redisq.errors import JobRunning
from redisq.options import CallOptions
from redisq.producer import NewJob

from . import clock
from .line import BEFORE, LOST, Line
from .machine import FATES, MOSTLY, PICK, RARELY, step
from .working import Working
from .world import FEED, QUEUES, Worker

EXAMPLES = int(os.environ.get("REDISQ_MODEL_EXAMPLES", "90"))
SEED = os.environ.get("REDISQ_MODEL_SEED", "1")
#: A failure is not made smaller unless that is asked for: it can take minutes.
SHRINK = [Phase.shrink] if os.environ.get("REDISQ_MODEL_SHRINK") else []
LENGTH = 60

OPTIONS = st.fixed_dictionaries(
    {
        "delay": st.sampled_from([0, 0, 0, 400, 30_000]),
        "at": RARELY,
        "expires": st.sampled_from([None, None, None, 60, 500, 2000]),
        "feed": MOSTLY,
    }
)


class Protocol(Working):
    """Producers and people beside them, on two queues."""

    # Producers

    @step(4, name=st.sampled_from(QUEUES), count=st.integers(1, 3), named=MOSTLY, options=OPTIONS, fate=FATES)
    def enqueue(self, name: str, count: int, named: bool, options: dict[str, Any], fate: str | None) -> None:
        asked = self._options(**options)
        new = [
            NewJob.make("task", b"[[],{}]", asked.with_(job_id=self._new_id()) if named else asked)
            for _ in range(count)
        ]
        self.sent |= {(name, one.local_id): one for one in new}
        self._send(name, new, fate)

    def _options(self, delay: int, at: bool, expires: int | None, feed: bool) -> CallOptions:
        """`at`: as a point in time. A deadline before the delay can only be one."""
        options = CallOptions(feed=FEED if feed else None)
        options = options.with_(at=self._time(delay)) if at else options.with_(delay=delay / 1000)
        if expires is None:
            return options
        return options.with_(expires=self._time(expires) if at or expires <= delay else expires / 1000)

    def _time(self, ms: int) -> datetime:
        return datetime.fromtimestamp((self.world.clock.now + ms) / 1000, UTC)

    @step(1, pick=PICK, fate=FATES)
    def enqueue_again(self, pick: int, fate: str | None) -> None:
        if self.sent:
            (name, _), new = self._pick(pick, list(self.sent.items()))
            self._send(name, [new], fate)

    @step(1, name=st.sampled_from(QUEUES), text=st.sampled_from(["ghost", "!?", "! not an id"]))
    def garbage(self, name: str, text: str) -> None:
        queue = self._queue(name)
        data = f"{text}-{self._new_id()}"
        queue.pending.insert(0, data)
        self.world.client.lpush(queue.base + "pending", data)
        self.world.client.lpush(queue.base + "wake", 1)
        self.world.client.ltrim(queue.base + "wake", 0, 0)

    @step(1, name=st.sampled_from(QUEUES))
    def end_twice(self, name: str) -> None:
        """A dead letter is revived and ends again while a reader still has the news of its first end."""
        new = NewJob.make("task", b"[[],{}]", CallOptions(job_id=self._new_id(), feed=FEED))
        self._send(name, [new], None)
        for bases in ("both", "feed"):
            self._register(bases)
        worker, reader = self.workers[-2:]
        self._settle_all(worker, "dead")
        self._exchange(reader, [], 4, True, None)
        if new.local_id in self._queue(name).dead:
            self._queue(name).revive(new.local_id)
            self.world.app.queue(name).revive(new.local_id)
            self._settle_all(worker, "success")

    def _settle_all(self, worker: Worker, way: str) -> None:
        """It claims, and settles all that it holds."""
        self._exchange(worker, [], 4, True, None)
        mine = [claimed for who, claimed, _ in self.deliveries if who is worker]
        self._exchange(worker, [self._verdict(way, claimed) for claimed in mine], 0, False, None)

    # People

    @step(2, pick=PICK, status=st.sampled_from(["running", "running", "queued", "scheduled"]), fate=FATES)
    def cancel(self, pick: int, status: str, fate: str | None) -> None:
        if not self._jobs():
            return
        name, job = self._pick(pick, self._jobs(status))
        self.line.next(fate)
        self.world.app.queue(name).cancel(job.id)
        for _ in range(2 if fate == LOST else 1):
            self._queue(name).cancel(job.id)

    @step(2, pick=PICK, fate=FATES)
    def revive(self, pick: int, fate: str | None) -> None:
        if not self._jobs():
            return
        name, job = self._pick(pick, self._jobs("failed"))
        self.line.next(fate)
        self.world.app.queue(name).revive(job.id)
        self._queue(name).revive(job.id)

    @step(1, name=st.sampled_from(QUEUES), pick=PICK, fate=FATES)
    def delete(self, name: str, pick: int, fate: str | None) -> None:
        if not (jobs := list(self._queue(name).jobs.values())):
            return
        job = self._pick(pick, jobs)
        self.line.next(BEFORE if fate else None)
        if self._queue(name).delete(job.id):
            self.world.app.queue(name).delete(job.id)
        else:
            with pytest.raises(JobRunning):
                self.world.app.queue(name).delete(job.id)

    @step(1, name=st.sampled_from(QUEUES), fate=FATES, really=RARELY)
    def purge(self, name: str, fate: str | None, really: bool) -> None:
        """A purge whose answer was lost finds nothing any more when it is sent again."""
        if really:
            expected = self._queue(name).purge()
            self.line.next(fate)
            assert self.world.app.queue(name).purge() == (0 if fate == LOST else expected)
            self.line.next(None)
        assert self.world.app.queue(name).counts() == self._queue(name).counts()

    @step(1, name=st.sampled_from(QUEUES))
    def pause(self, name: str) -> None:
        self._queue(name).paused = True
        self.world.app.queue(name).pause()

    @step(2)
    def resume(self) -> None:
        for name in QUEUES:
            if self._queue(name).paused:
                self._queue(name).paused = False
                self.world.app.queue(name).resume()


@pytest.fixture
def line() -> Iterator[Line]:
    with clock.in_place(), Line().in_place() as line:
        yield line


@pytest.mark.timeout(120 + 4 * EXAMPLES)
def test_after_every_step_each_job_is_where_the_model_says(redis_url: str, server_kind: str, line: Line) -> None:
    print(f"REDISQ_MODEL_SEED={SEED} REDISQ_MODEL_EXAMPLES={EXAMPLES}")
    with redis.Redis.from_url(redis_url) as client:

        class Here(Protocol):
            def __init__(self) -> None:
                super().__init__(redis_url, client, line)

        run_state_machine_as_test(
            seed(f"{SEED} {server_kind}")(Here),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=LENGTH,
                deadline=None,
                database=None,
                print_blob=False,
                phases=[Phase.generate, *SHRINK],
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
