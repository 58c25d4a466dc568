"""The steps of workers, of their supervisors, and of the readers of a feed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from redisq import claimed as verdict
from redisq.claimed import Claimed, Settlement, Source
from redisq.claimer import giving_back, keeping, renewal
from redisq.connection import evalsha
from redisq.forward import drain, entry
from redisq.job import encode
from redisq.options import DEFAULTS, CallOptions
from redisq.producer import NewJob, spec
from redisq.scripts import CLAIM, RELEASE, TOLD

from .line import BEFORE, LOST, STOP, Stopped
from .machine import FATES, MOSTLY, PICK, RARELY, Machine, step
from .records import KEEP_EVERY, LEASE, Ask
from .world import QUEUES, Worker

TIMES = st.sampled_from([*[50, 110, LEASE // 4, LEASE // 3 + 1] * 3, LEASE + 1, 5 * LEASE, 700_000, 700_000])
WAYS = st.sampled_from(
    ["success", "success", "failure", "soon", "dead", "postponed", "released", "released", "cancelled"]
)


class Working(Machine):
    """Whoever claims, and the time that passes."""

    # Workers

    @initialize()
    def begin(self) -> None:
        for bases in ("both", "both", "feed"):
            self._register(bases)

    @step(4, bases=st.sampled_from(["both", "both", "high", "feed"]))
    def register(self, bases: str) -> None:
        if len(self._registered()) < 5:
            self._register(bases)

    def _register(self, bases: str) -> None:
        high, low = self.world.bases
        feeds = [queue.feed.base for queue in map(self._queue, QUEUES) if queue.feed]
        chosen = {"both": [high, low], "high": [high], "low": [low], "feed": feeds}[bases]
        worker = Worker(self.world, f"w{len(self.workers)}", chosen)
        for base in chosen:
            self.world.queues[base].register(worker.name)
        self.workers.append(worker)

    @step(5, pick=PICK, budget=st.integers(1, 4))
    def claim_as_usual(self, pick: int, budget: int) -> None:
        self._exchange(self._worker(pick, True), [], budget, True, None)

    @step(4, pick=PICK, way=WAYS, count=st.integers(1, 3))
    def settle_as_usual(self, pick: int, way: str, count: int) -> None:
        """As a child does: the next claim travels along."""
        self.settle(pick, True, way, count, 2, None, False)

    @step(3, pick=PICK, alive=MOSTLY, budget=st.integers(1, 3), keep=MOSTLY, fate=FATES, gives_up=RARELY)
    def claim(self, pick: int, alive: bool, budget: int, keep: bool, fate: str | None, gives_up: bool) -> None:
        self._exchange(self._worker(pick, alive), [], budget, keep, fate, gives_up)

    @step(
        5,
        pick=PICK,
        live=MOSTLY,
        way=WAYS,
        count=st.integers(1, 3),
        budget=st.integers(0, 2),
        fate=FATES,
        follow=RARELY,
    )
    def settle(self, pick: int, live: bool, way: str, count: int, budget: int, fate: str | None, follow: bool) -> None:
        if not (first := self._delivery(pick, live, feed=False)):
            return
        worker = first[0]
        others = [one for one in self.deliveries if one[0] is worker and self._holds(one) and one is not first]
        settlements = [self._verdict(way, claimed) for _, claimed, _ in [first, *others][:count]]
        if follow and way == "success":
            settlements[0] = settlements[0]._replace(follow=self._follow(settlements[0].job))
        self._exchange(worker, settlements, budget, False, fate)

    def _verdict(self, way: str, job: Claimed) -> Settlement:
        if way == "success":
            return verdict.succeeded(job, b"1", DEFAULTS)
        if way in ("failure", "soon"):
            return verdict.failed(job, "no", DEFAULTS, 0.0 if way == "soon" else None)
        if way in ("dead", "postponed"):
            return (verdict.dead if way == "dead" else verdict.postponed)(job, "no")
        return (verdict.released if way == "released" else verdict.cancelled)(job)

    def _follow(self, job: Claimed) -> list[Any]:
        """A job for the same queue, and one for the other."""
        here = NewJob.make("task", b"[[],{}]", CallOptions(job_id=self._new_id()))
        there = NewJob.make("task", b"[[],{}]", CallOptions(job_id=self._new_id()))
        other = next(name for name in QUEUES if name != job.source.name)
        forwarded = entry(other, spec(there, encode(there.task, there.body, there.options)))
        return [1, forwarded, *spec(here, encode(here.task, here.body, here.options))]

    @step(2, pick=PICK, alive=MOSTLY, back=st.sampled_from([0, 1, 1, 2]))
    def late_claim(self, pick: int, alive: bool, back: int) -> None:
        """A claim that was sent before, and comes to the server once more."""
        among = [one for one in (self._registered() if alive else self.workers) if one.number > back and one.answered]
        if not among:
            return
        worker = self._pick(pick, among)
        number = worker.number - back
        args = (worker.name, number, 2, 1000, "1", "0")
        answers = self.world.call([evalsha(CLAIM, worker.bases, args)])[0]
        ask = Ask(2, empty=True, kept=False, fresh=False)
        for base, answer in zip(worker.bases, answers, strict=True):
            expected = self.world.queues[base].claim(worker.name, number, ask)
            if isinstance(expected, str):
                assert answer == expected.encode()
            else:
                assert [row[0].decode() for row in answer] == [job.id for job in expected]

    @step(1, pick=PICK, alive=MOSTLY, fate=FATES)
    def renew(self, pick: int, alive: bool, fate: str | None) -> None:
        self._renew(self._worker(pick, alive), fate)

    def _renew(self, worker: Worker, fate: str | None = None) -> None:
        self.line.next(fate)
        answers = self.world.call(renewal(worker.sources, [worker.name]))
        assert answers == [[self.world.queues[base].renew(worker.name)] for base in worker.bases]

    # Supervisors, and the time

    @step(1, pick=PICK, blamed=MOSTLY, which=PICK, fate=FATES)
    def crash(self, pick: int, blamed: bool, which: int, fate: str | None) -> None:
        """A child has died, and its supervisor gives back what it held. The model knows the child as a zombie."""
        worker = self._worker(pick, True)
        held = [(source, job_id) for source in worker.sources for job_id in self._held(source.base, worker)]
        name = ""
        if held and blamed:
            source, job_id = self._pick(which, held)
            name = f"{source.name}.{job_id}"
        self.line.next(fate)
        answers = self.world.call(giving_back(self.world.app.settings, worker.sources, worker.name, name))
        expected = []
        for source in worker.sources:
            own = name.partition(".")[2] if source.name == name.partition(".")[0] else ""
            expected.append(self.world.queues[source.base].give_back(worker.name, own))
        assert answers == (expected if fate != LOST else [0] * len(expected))

    def _held(self, base: str, worker: Worker) -> list[str]:
        return self.world.queues[base].claimed.get(worker.name, [])

    @step(1, pick=PICK, which=PICK, all_of_it=RARELY)
    def release(self, pick: int, which: int, all_of_it: bool) -> None:
        """A child is busy for long: its supervisor gives back what waits behind."""
        worker = self._worker(pick, True)
        for source in worker.sources:
            held = self._held(source.base, worker)
            if held and source.base in self.world.bases:
                running = "" if all_of_it else self._pick(which, held)
                args = (worker.name, running, *self.world.app.settings.retention.ended_args)
                count = self.world.call([evalsha(RELEASE, [source.base], args)])[0]
                assert count == self.world.queues[source.base].release(worker.name, running)

    @step(2, ms=TIMES)
    def time_passes(self, ms: int) -> None:
        self.world.clock.turn(ms)

    @step(1, pick=PICK, ms=st.sampled_from([LEASE // 4, 2 * LEASE]))
    def the_clock_steps_back(self, pick: int, ms: int) -> None:
        """All are marked; then the clock stands before the marks, or so early that leases end too late."""
        keeper = self._worker(pick, True)
        for turn in (LEASE + 1, -ms, KEEP_EVERY):
            self.world.clock.turn(turn)
            self._keep(keeper)

    @step(2, pick=PICK, fate=FATES)
    def keep(self, pick: int, fate: str | None) -> None:
        """Anybody may keep house."""
        self._keep(self._worker(pick, False), fate)

    def _keep(self, worker: Worker, fate: str | None = None) -> None:
        self.line.next(fate)
        answers = self.world.call(keeping(self.world.app.settings, worker.sources))
        for _ in range(2 if fate == LOST else 1):
            expected = [self.world.queues[base].keep() for base in worker.bases]
        assert [ms for ms, _ in answers] == expected

    @step(2, bases=st.sampled_from(["both", "low"]), times=st.integers(1, 2))
    def outlive(self, bases: str, times: int) -> None:
        """A worker comes, claims, and is silent for longer than its lease; the others do not. Then perhaps one more."""
        if times == 2:  # there is something to suspect
            for name in QUEUES:
                self._send(name, [NewJob.make("task", b"[[],{}]", CallOptions()) for _ in range(2)], None)
        for _ in range(times):
            self._register(bases)
            silent = self.workers[-1]
            self._exchange(silent, [], 4, True, None)
            others = [worker for worker in self._registered() if worker is not silent]
            for _ in range(4):
                self.world.clock.turn(LEASE // 2)
                for worker in others:
                    self._renew(worker)
                    self._keep(worker)

    @step(1, name=st.sampled_from(QUEUES), fate=st.sampled_from([None, BEFORE, LOST, STOP]), after=st.integers(0, 4))
    def send_on(self, name: str, fate: str | None, after: int) -> None:
        """Follow-ups for another queue are sent there; he who does so may stop in between."""
        queue = self._queue(name)
        source = Source(name, queue.base)
        self.line.next(fate, after)
        try:
            drain(self.world.app.settings, source)
        except Stopped:
            self.line.next(None)
            drain(self.world.app.settings, source)
        other = next(other for other in QUEUES if other != name)
        for data in queue.forward:
            self._queue(other).enqueue(json.loads(data)[1][0], 0, True)
        queue.forward = []

    # Readers of the feed

    @step(1, pick=PICK, live=MOSTLY, fate=FATES, stops=RARELY)
    def ack(self, pick: int, live: bool, fate: str | None, stops: bool) -> None:
        """As FeedDelivery.ack: told first, then the entry; in two writes where the reader stops in between."""
        if not (delivery := self._delivery(pick, live, feed=True)):
            return
        worker, claimed, end = delivery
        queue = self._queue(claimed.source.name)
        queue.told(claimed.id.decode(), end)
        self.world.call([evalsha(TOLD, [queue.base], [claimed.id])])
        if not stops:
            self._exchange(worker, [verdict.gone(claimed)], 0, False, fate)

    @step(2, pick=PICK)
    def read(self, pick: int) -> None:
        """News are claimed, and acked, as usual."""
        readers = [worker for worker in self._registered() if worker.bases[0] not in self.world.bases]
        if readers:
            self._exchange(self._pick(pick, readers), [], 3, True, None)
            self.ack(-1, True, None, False)

    @step(1, pick=PICK, live=MOSTLY, fate=FATES, later=st.booleans())
    def nack(self, pick: int, live: bool, fate: str | None, later: bool) -> None:
        if delivery := self._delivery(pick, live, feed=True):
            worker, claimed, _ = delivery
            settlement = Settlement(claimed, "r", b"no", 1000) if later else verdict.released(claimed)
            self._exchange(worker, [settlement], 0, False, fate)
