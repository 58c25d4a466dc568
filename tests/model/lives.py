"""Lives of jobs, as the library lives them, one round trip after the other; and the account when all is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from redisq import RedisQ, keys
from redisq import claimed as verdict
from redisq.claimed import Claimed, Settlement, Source
from redisq.claimer import Claimer, giving_back, keeping, registration
from redisq.connection import evalsha
from redisq.forward import drain, entry
from redisq.job import encode
from redisq.options import DEFAULTS, CallOptions
from redisq.producer import NewJob, spec
from redisq.scripts import RELEASE
from tests.invariants import check

from .clock import Clock
from .line import Line

LEASE = 30.0
QUEUES = ("high", "low")
LIVES: dict[str, tuple[int, Callable[[Life], None]]] = {}


def life(trips: int) -> Callable[[Callable[[Life], None]], Callable[[Life], None]]:
    """Register a life that makes so many round trips when nothing goes wrong."""

    def register(function: Callable[[Life], None]) -> Callable[[Life], None]:
        LIVES[function.__name__] = trips, function
        return function

    return register


class Life:
    """A process that uses the library, until it stops; and what it was told.

    `invoked`: local ids of jobs that it tried to enqueue; `acknowledged`: those that the server has acknowledged.
    `completed`: id -> the result whose settling was acknowledged; `cancelled`: ids whose cancel was. `follow_ups`: what
    comes to be with a result, id -> (result, ids). `noted`: how often a feed's reader was told of an id.
    """

    def __init__(self, url: str, client: Any, line: Line) -> None:
        self.client = client
        self.line = line
        self.clock = Clock(client)
        self.app = RedisQ(url, lease=LEASE)
        self.sources = [Source(name, self.app.queue(name).base) for name in QUEUES]
        self.claimers: list[Claimer] = []
        self.invoked: set[str] = set()
        self.acknowledged: set[str] = set()
        self.sent: dict[str, set[bytes | str]] = {}
        self.follow_ups: dict[str, tuple[bytes | str, set[str]]] = {}
        self.completed: dict[str, bytes | str] = {}
        self.cancelled: set[str] = set()
        self.noted: Counter[str] = Counter()

    def close(self) -> None:
        for claimer in self.claimers:
            claimer.close()
        self.app.close()

    # What a process does

    def enqueue(self, *ids: str, delay: float = 0.0) -> None:
        bound = self.app.queue("high").options(feed="news", delay=delay)
        self.invoked |= set(ids)
        jobs = bound.enqueue_many("task", [((), {}, {"job_id": local_id}) for local_id in ids])
        assert all(job.created for job in jobs)
        self.acknowledged |= set(ids)

    def worker(self, name: str) -> Claimer:
        self.app.settings.server.call(registration(self.app.settings, self.sources, name))
        claimer = Claimer(self.app.settings, self.sources, name)
        self.claimers.append(claimer)
        return claimer

    def claim(self, claimer: Claimer, budget: int = 10) -> list[Claimed]:
        _, jobs = claimer.exchange([], budget)
        return jobs

    def settle(self, claimer: Claimer, *settlements: Settlement, budget: int = 0) -> list[Claimed]:
        answers, jobs = claimer.exchange(settlements, budget)
        for settlement, answer in zip(settlements, answers, strict=True):
            assert answer in (b"ok", b"done")
            if settlement.way == "s":
                self.completed[settlement.job.id.decode()] = settlement.text
        return jobs

    def success(self, claimer: Claimer, job: Claimed, follow: Sequence[object] = ()) -> Settlement:
        """With a result that says who had it, and when."""
        result = b'"%b %d"' % (claimer.worker.encode(), job.delivery)
        self.sent.setdefault(job.id.decode(), set()).add(result)
        return verdict.succeeded(job, result, DEFAULTS, follow)

    def cancel(self, local_id: str) -> None:
        self.app.queue("high").cancel(local_id)
        self.cancelled.add(local_id)

    def pass_time(self, seconds: float) -> None:
        self.clock.turn(int(seconds * 1000))

    def keep(self) -> None:
        feeds = [Source(source.name, keys.feed_base(source.base, "news"), 0) for source in self.sources]
        self.app.settings.server.call(keeping(self.app.settings, [*self.sources, *feeds]))

    # What comes after

    def end(self) -> None:
        """All who were there are gone, whatever they did last. Dead letters are revived; a fresh worker and a fresh
        reader do what is left.
        """
        for _ in range(5):  # of the time in which nobody looks, an eighth of a lease counts
            self.pass_time(LEASE + 0.001)
            self.keep()
        for letter in self.app.queue("high").jobs("failed"):
            letter.retry()
        worker = self.worker("fresh")
        for _ in range(50):
            self.pass_time(1.0)
            worker._keep_at = 0.0
            for source in self.sources:
                drain(self.app.settings, source)
            for job in self.claim(worker):
                self.settle(worker, self.success(worker, job))
            if not any(sum(self.app.queue(name).counts().values()) for name in QUEUES):
                break
        feed = self.app.replace().feed("news")
        while delivery := feed.claim(timeout=0.0):
            assert delivery.job.status in ("succeeded", "failed", "cancelled")
            self.noted[delivery.job.local_id] += 1
            delivery.ack()

    def account(self) -> None:
        """One completion of each job, nothing lost, nothing in two places, everybody told."""
        check(self.client)
        ended = Counter(
            entry.decode()
            for name in QUEUES
            for entry in self.client.lrange(self.app.queue(name).base + "ended", 0, -1)
        )
        for parent, (result, ids) in self.follow_ups.items():
            self.invoked |= ids
            if self._record(parent).get(b"r") == result:
                self.acknowledged |= ids
        for local_id in self.acknowledged | (self.invoked & ended.keys()):
            record = self._record(local_id)
            statuses = {b"c"} if local_id in self.cancelled else {b"s", b"c"}
            assert record.get(b"s") in statuses, f"{local_id}: {record}"
            assert ended.pop(local_id) == 1, f"{local_id} ended more than once"
            assert self.noted.pop(local_id, 0) >= 1, f"nobody was told of {local_id}"
            if record[b"s"] == b"s":
                wanted = {self.completed[local_id]} if local_id in self.completed else self.sent[local_id]
                assert record[b"r"] in wanted, f"{local_id}: a result that is not the acknowledged one"
            assert self.client.ttl(self._key(local_id)) > 0
        assert not ended, f"nobody enqueued {ended}"

    def _key(self, local_id: str) -> str:
        queue = self.app.queue("low" if local_id.endswith("low") else "high")
        return f"{queue.base}job:{local_id}"

    def _record(self, local_id: str) -> dict[bytes, bytes]:
        record: dict[bytes, bytes] = self.client.hgetall(self._key(local_id))
        return record


@life(trips=1)
def is_enqueued(life: Life) -> None:
    life.enqueue("a", "b", "c")


@life(trips=4)
def succeeds(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=6)
def succeeds_while_the_next_is_claimed(life: Life) -> None:
    life.enqueue("a", "b", "c")
    worker = life.worker("w")
    jobs = life.claim(worker, 1)
    for _ in range(3):
        jobs = life.settle(worker, life.success(worker, jobs[0]), budget=1)
    assert not jobs


@life(trips=5)
def waits_until_it_is_due(life: Life) -> None:
    life.enqueue("a", delay=5.0)
    worker = life.worker("w")
    life.pass_time(5.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=7)
def fails_and_is_retried(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.failed(job, "no", DEFAULTS))
    life.pass_time(1.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=7)
def fails_for_good_and_is_revived(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.dead(job, "no"))
    life.app.queue("high").revive("a")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=7)
def is_postponed(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.postponed(job, "unknown"))
    life.pass_time(1.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=5)
def is_released(life: Life) -> None:
    life.enqueue("a", "b")
    worker = life.worker("w")
    first, second = life.claim(worker)
    jobs = life.settle(worker, life.success(worker, first), verdict.released(second), budget=5)
    assert [job.id for job in jobs] == [b"b"]
    life.settle(worker, life.success(worker, jobs[0]))


@life(trips=2)
def is_cancelled_while_it_waits(life: Life) -> None:
    life.enqueue("a")
    life.cancel("a")


@life(trips=5)
def is_cancelled_while_it_runs(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.cancel("a")
    worker.exchange([verdict.succeeded(job, b"1", DEFAULTS)])


@life(trips=7)
def crashes_its_worker(life: Life) -> None:
    life.enqueue("a")
    life.claim(life.worker("w"))
    life.app.settings.server.call(giving_back(life.app.settings, life.sources, "w", "high.a"))
    worker = life.worker("next")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=11)
def loses_its_worker_to_the_lease(life: Life) -> None:
    life.enqueue("a")
    zombie = life.worker("w")
    (late,) = life.claim(zombie)
    for _ in range(4):
        life.pass_time(LEASE + 0.001)
        life.keep()
    worker = life.worker("next")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))
    answers, _ = zombie.exchange([verdict.succeeded(late, b"0", DEFAULTS)])
    assert answers == [b"lost"]


@life(trips=7)
def waits_behind_a_long_one(life: Life) -> None:
    life.enqueue("a", "b")
    worker = life.worker("w")
    first, _ = life.claim(worker)
    args = ("w", "a", *life.app.settings.retention.ended_args)
    life.app.settings.server.call([evalsha(RELEASE, [life.sources[0].base], args)])
    life.settle(worker, life.success(worker, first))
    (second,) = life.claim(worker)
    life.settle(worker, life.success(worker, second))


@life(trips=9)
def leaves_follow_ups(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    here, there = (
        NewJob.make("task", b"[[],{}]", CallOptions(job_id=local_id, feed="news")) for local_id in ("b", "c.low")
    )
    forwarded = entry("low", spec(there, encode(there.task, there.body, there.options)))
    follow = [1, forwarded, *spec(here, encode(here.task, here.body, here.options))]
    settlement = life.success(worker, job, follow)
    life.follow_ups["a"] = settlement.text, {"b", "c.low"}
    life.settle(worker, settlement)
    drain(life.app.settings, life.sources[0])
    jobs = life.claim(worker)
    life.settle(worker, *(life.success(worker, job) for job in jobs))


@life(trips=4)
def is_claimed_through_the_library(life: Life) -> None:
    life.enqueue("a")
    delivery = life.app.queue("high").claim(timeout=0.0)
    assert delivery
    life.sent["a"] = {b'"mine"'}
    delivery.ack("mine")
    life.completed["a"] = b'"mine"'


@life(trips=9)
def is_told_to_a_feed(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))
    delivery = life.app.feed("news").claim(timeout=0.0)
    assert delivery
    life.noted["a"] += 1
    delivery.ack()
