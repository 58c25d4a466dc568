"""What the steps of the machine stand on: a world, who is in it, and the one exchange that every worker makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import Any, TypeVar

import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redisq.claimed import Claimed, Settlement
from redisq.claimer import Interrupted
from redisq.options import CallOptions
from redisq.producer import NewJob

from .comparing import compare
from .expected import Queue
from .line import BEFORE, LOST, Line
from .records import Ask, Follow, Job, Settled
from .world import FEED, QUEUES, Worker, World

PICK = st.integers(0, 999)
MOSTLY = st.sampled_from([True, True, True, False])
RARELY = st.sampled_from([False, False, False, True])
FATES = st.sampled_from([None, None, BEFORE, LOST])

Delivery = tuple[Worker, Claimed, int]
F = TypeVar("F", bound=Callable[..., None])


#: Every kind of step with its arguments, as often as it is to be taken.
STEPS: list[tuple[str, st.SearchStrategy[dict[str, Any]]]] = []


def step(weight: int, **arguments: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """A step of the machine. Not a rule of its own: Hypothesis leaves out half of the rules in each run, and without
    claims or settles little happens.
    """

    def register(function: F) -> F:
        STEPS.extend([(function.__name__, st.fixed_dictionaries(arguments))] * weight)
        return function

    return register


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class Machine(RuleBasedStateMachine):
    """Steps are added by its subclasses."""

    def __init__(self, url: str, client: redis.Redis, line: Line) -> None:
        super().__init__()
        self.line = line
        self.line.next(None)
        self.world = World(url, client, line)
        self.workers: list[Worker] = []
        #: everything that a claim ever answered, with the number of ends that a feed's reader then saw
        self.deliveries: list[Delivery] = []
        self.made = 0
        self.sent: dict[tuple[str, str], NewJob] = {}

    def teardown(self) -> None:
        for worker in self.workers:
            worker.claimer.close()
        self.world.close()

    @invariant()
    def nothing_differs(self) -> None:
        self.line.next(None)
        compare(self.world)

    @rule(step=st.deferred(lambda: st.sampled_from(STEPS).flatmap(lambda row: st.tuples(st.just(row[0]), row[1]))))
    def take(self, step: tuple[str, dict[str, Any]]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)

    # What the steps need

    def _queue(self, name: str) -> Queue:
        return self.world.queues[self.world.base_of(name)]

    def _new_id(self) -> str:
        self.made += 1
        return f"job-{self.made}"

    def _pick(self, pick: int, among: Sequence[Any]) -> Any:
        return among[pick % len(among)]

    def _jobs(self, *statuses: str) -> list[tuple[str, Job]]:
        jobs = [(name, job) for name in QUEUES for job in self._queue(name).jobs.values()]
        return [row for row in jobs if row[1].status in statuses] or jobs

    def _registered(self) -> list[Worker]:
        alive = [w for w in self.workers if any(w.name in self.world.queues[base].leases for base in w.bases)]
        return alive or self.workers

    def _worker(self, pick: int, alive: bool) -> Worker:
        worker: Worker = self._pick(pick, self._registered() if alive else self.workers)
        return worker

    def _delivery(self, pick: int, live: bool, feed: bool) -> Delivery | None:
        """One that was handed out: of those that still hold, or of all that ever were."""
        mine = [one for one in self.deliveries if (one[1].source.base not in self.world.bases) == feed]
        held = [one for one in mine if self._holds(one)]
        among = held if live and held else mine
        return self._pick(pick, among) if among else None

    def _holds(self, delivery: Delivery) -> bool:
        worker, claimed, _ = delivery
        job = self.world.queues[claimed.source.base].jobs.get(claimed.id.decode())
        return job is not None and job.is_held_by((worker.name, claimed.delivery))

    # What a producer does, and what a worker does

    def _send(self, name: str, new: list[NewJob], fate: str | None) -> None:
        expected = []
        for one in new:
            named, feed = one.options.job_id is not None, one.options.feed is not None
            delay, deadline = self._times(one.options)
            made = self._queue(name).enqueue(one.local_id, delay, named, feed, deadline)
            expected.append((one.local_id, made or not named))
        self.line.next(fate)
        jobs = self.world.app.queue(name).options().send(new)
        assert [(job.local_id, job.created) for job in jobs] == expected

    def _times(self, options: CallOptions) -> tuple[int, int | None]:
        """How long such a job waits at least, and when it is too late for it."""
        now = self.world.clock.now
        begin = int(options.delay * 1000) if options.at is None else max(0, _ms(options.at) - now)
        if isinstance(options.expires, datetime):
            return begin, _ms(options.expires)
        return begin, None if options.expires is None else now + int(options.expires * 1000)

    def _exchange(
        self,
        worker: Worker,
        settlements: list[Settlement],
        budget: int,
        keep: bool,
        fate: str | None,
        gives_up: bool = False,
    ) -> None:
        """Settle and claim in one write, really and in the model, and compare what is answered."""
        if budget and worker.answered:
            worker.number, worker.answered = worker.number + 1, False
        worker.stopping = gives_up
        worker.claimer._keep_at = 0.0 if keep else inf
        answers: list[str] = []
        claimed: list[str | list[Job]] = []
        for attempt in range(2 if fate == LOST and (settlements or not gives_up) else 1):
            if attempt or not (fate == BEFORE and gives_up and not settlements):
                answers = self._model_settle(worker, settlements)
                fresh = not worker.claimer.link.connected or fate is not None
                kept = keep and not attempt and fate != BEFORE
                claimed = self._model_claim(worker, budget, len(settlements), kept, fresh)
        if claimed and keep and fate != BEFORE and worker.number % 2:
            self._wait(worker)
        self.line.next(fate)
        try:
            real, jobs = worker.claimer.exchange(settlements, budget)
        except Interrupted:
            assert gives_up
            assert fate
            assert not settlements
            return
        worker.answered = worker.answered or budget > 0
        assert [answer.decode() for answer in real] == answers
        for settlement in settlements:
            key = settlement.job.source.base, settlement.job.id.decode()
            if worker.held.get(key) == settlement.job.delivery:
                del worker.held[key]
        self._adopt(worker, jobs, claimed)

    def _wait(self, worker: Worker) -> None:
        """As if it had waited for a token, in the same write: it takes one. Whoever takes one keeps house then, or
        before he waits again.
        """
        for base in worker.bases:
            if self.world.client.lpop(f"{base}wake"):
                break

    def _model_settle(self, worker: Worker, settlements: list[Settlement]) -> list[str]:
        """Those released come last, in reverse; one call per queue."""
        released = [one for one in settlements if one.way == "l"]
        ordered = [one for one in settlements if one.way != "l"] + released[::-1]
        bases = list(dict.fromkeys(one.job.source.base for one in ordered))
        answers = []
        for base in bases:
            settled = [self._settled(one) for one in ordered if one.job.source.base == base]
            answers += self.world.queues[base].settle(worker.name, settled)
        return answers

    def _settled(self, one: Settlement) -> Settled:
        follow = [Follow(one.follow[2], named=True)] if one.follow else []
        return Settled(one.job.id.decode(), one.job.delivery, one.way, one.ms, follow, one.follow[1:2])

    def _model_claim(self, worker: Worker, budget: int, settled: int, keep: bool, fresh: bool) -> list[str | list[Job]]:
        if not budget:
            return []
        ask = Ask(budget, len(worker.held) <= settled, keep, fresh)
        if keep:
            for base in worker.bases:
                self.world.queues[base].keep()
        return [self.world.queues[base].claim(worker.name, worker.number, ask) for base in worker.bases]

    def _adopt(self, worker: Worker, jobs: list[Claimed], claimed: list[str | list[Job]]) -> None:
        expected = []
        for base, answer in zip(worker.bases, claimed, strict=False):
            if isinstance(answer, str):
                assert any(
                    source.name in worker.claimer.unregistered for source in worker.sources if source.base == base
                )
                continue
            for job in answer:
                if worker.held.get((base, job.id)) != job.delivery:
                    worker.held[base, job.id] = job.delivery
                    expected.append((base, job.id, job.delivery, job.is_late(self.world.clock.now)))
        assert [(job.source.base, job.id.decode(), job.delivery, bool(job.expired)) for job in jobs] == expected
        for one in jobs:
            queue = self.world.queues[one.source.base.removesuffix(f"feed:{FEED}:")]
            about = queue.jobs.get(one.id.decode())
            self.deliveries.append((worker, one, about.ends if about else 0))
