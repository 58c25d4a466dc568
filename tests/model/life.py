"""A process that uses the library for a while, and the account of its jobs when all is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from redisq import RedisQ, keys
from redisq import claimed as verdict
from redisq.claimed import Claimed, Settlement, Source
from redisq.claimer import Claimer, keeping, registration
from redisq.forward import drain
from redisq.options import DEFAULTS
from tests.invariants import check

from .clock import Clock
from .line import Line

LEASE = 30.0
QUEUES = ("high", "low")


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

    def enqueue(self, *ids: str, **options: Any) -> None:
        bound = self.app.queue("high").options(feed="news", **options)
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
