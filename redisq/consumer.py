"""Claiming through the library: who claims in a thread, and how its leases are kept while deliveries are open."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from . import claimed as verdict
from .claimed import Claimed, Settlement, Source
from .claimer import Claimer, Interrupted, giving_back, registration, renewal, settling, worker_name
from .connection import LONGEST_BLOCK
from .endpoint import Command
from .errors import LeaseLost, RedisQError, ServerRefused, ServerUnavailable
from .forward import WAITED_FOR, drain
from .settings import Settings
from .sharded import ShardedClaimer, extend, make_claimer

log = logging.getLogger(__name__)


class Open:
    """A claimed job that is not settled yet. As long as somebody has this object, its worker's lease is renewed."""

    __slots__ = ("__weakref__", "claimed", "consumer", "worker")

    def __init__(self, consumer: Consumer, claimed: Claimed) -> None:
        self.consumer = consumer
        self.claimed = claimed
        self.worker = consumer.worker


class Consumer:
    """One thread's claims from some sources: one worker, a new one whenever its registration is lost."""

    def __init__(self, settings: Settings, sources: Sequence[Source], keeper: LeaseKeeper) -> None:
        self.settings = settings
        self.sources = list(sources)
        self.open: weakref.WeakSet[Open] = weakref.WeakSet()
        self.claiming = False
        self.renewed_at = float("-inf")
        self.worker = ""
        self._claimer: Claimer | ShardedClaimer | None = None
        self._held: dict[tuple[str, bytes], Claimed] = {}
        self._give_up_at = float("inf")
        self._trouble: Exception | None = None
        keeper.watch(self)

    def claim(self, limit: int, timeout: float | None) -> list[Open]:
        """Up to `limit` jobs; none if nothing came for `timeout` seconds. ServerUnavailable if the server is away."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        self.claiming = True
        try:
            while True:
                remaining = deadline - time.monotonic()
                self._give_up_at = max(deadline, time.monotonic() + self.settings.patience)
                claimer = self._registered()
                abandoned = [verdict.released(job) for job in self._abandoned()]
                _, jobs = claimer.exchange(abandoned, limit, max(0.0, min(remaining, LONGEST_BLOCK)))
                for settlement in abandoned:
                    self._forget(settlement.job)
                opened = [self._opened(job) for job in jobs]
                if claimer.unregistered:
                    self._retire()
                if claimer.forwarding:
                    self._forward()
                if opened or (remaining <= 0 and not claimer.unregistered):
                    return opened
        except Interrupted:
            raise ServerUnavailable(f"nothing can be claimed: {self._trouble}") from self._trouble
        finally:
            self.claiming = False

    def settle(self, settled: Sequence[tuple[Open, Settlement]], before: Sequence[Command] = ()) -> None:
        """Settle what this consumer has open; from any thread. LeaseLost if one is no longer ours, after all were
        tried.
        """
        commands = list(before)
        for worker in {opened.worker for opened, _ in settled}:
            commands += settling(self.settings, worker, [what for opened, what in settled if opened.worker == worker])
        answers = [answer for reply in self._call(commands) if isinstance(reply, list) for answer in reply]
        for _, settlement in settled:
            self._forget(settlement.job)
        if any(what.job.hooks and WAITED_FOR in what.job.hooks for _, what in settled):
            self._forward()
        refused = next((answer for answer in answers if answer.startswith(b"error")), None)
        if refused:
            raise ServerRefused(refused.decode())
        if b"lost" in answers:
            raise LeaseLost("no longer ours: " + ", ".join(what.job.full_id for _, what in settled))

    def leave(self) -> None:
        """Be no worker any more: what it still holds runs elsewhere, at once. ServerUnavailable."""
        if self._claimer is not None:
            self._call(giving_back(self.settings, self.sources, self.worker))
            self._retire()

    def in_use(self) -> bool:
        return self.claiming or len(self.open) > 0

    def add_sources(self, sources: Sequence[Source]) -> None:
        """Claim from these too, from the next claim on."""
        self.sources += sources
        if self._claimer:
            self._call(registration(self.settings, sources, self.worker))
            self._claimer = extend(self._claimer, sources)

    def _registered(self) -> Claimer | ShardedClaimer:
        now = time.monotonic()
        if self._claimer is not None and now - self.renewed_at < self.settings.lease / 4:
            return self._claimer
        if self._claimer is None or (now - self.renewed_at > self.settings.lease and not self.open):
            self._retire()
            self.worker = worker_name()
            self._call(registration(self.settings, self.sources, self.worker))
            # without a cycle, so that the connection of a thread that has ended is closed with it
            stopping, on_trouble = _weakly(self._stopping), _weakly(self._on_trouble)
            self._claimer = make_claimer(self.settings, self.sources, self.worker, stopping, on_trouble)
        else:
            self._call(renewal(self.sources, [self.worker]))
        self.renewed_at = now
        return self._claimer

    def _forward(self) -> None:
        """Where no worker does it, what is on its way to other queues is sent on here."""
        try:
            for source in self.sources:
                while drain(self.settings, source):
                    pass
        except RedisQError as error:  # there is a next time
            self._on_trouble(error)

    def _retire(self) -> None:
        """Be nobody: what this worker held runs elsewhere, or is still open and settled under its name."""
        if self._claimer is not None:
            self._claimer.close()
        self._claimer = None
        self._held.clear()

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        return self.settings.server.ask(commands, self.settings.patience)

    def _opened(self, job: Claimed) -> Open:
        opened = Open(self, job)
        self.open.add(opened)
        self._held[job.source.base, job.id] = job
        return opened

    def _abandoned(self) -> list[Claimed]:
        """Jobs whose Open nobody has any more: they were not settled and never will be."""
        if not self._held:
            return []
        alive = {id(opened.claimed) for opened in self.open}  # not the job: one that was lost may be claimed again
        return [job for job in list(self._held.values()) if id(job) not in alive]

    def _forget(self, job: Claimed) -> None:
        self._held.pop((job.source.base, job.id), None)
        if self._claimer:
            self._claimer.drop(job)

    def _stopping(self) -> bool:
        return time.monotonic() > self._give_up_at

    def _on_trouble(self, error: Exception) -> None:
        self._trouble = error
        log.debug("claim.trouble error=%s", error)


def _weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, as long as its object is there; it answers None then."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        known = reference()
        return known(*args) if known is not None else None

    return call


class LeaseKeeper:
    """Renews the leases of an app's consumers every lease/4, in a thread of its own, while they claim or have jobs
    open.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumers: weakref.WeakSet[Consumer] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._pid = 0
        self._stopped = threading.Event()

    def watch(self, consumer: Consumer) -> None:
        if self._pid != os.getpid():  # a lock that another thread held at a fork stays locked in the child
            self._lock = threading.Lock()
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._stopped = os.getpid(), threading.Event()
                self._consumers = weakref.WeakSet()
                args = (self._settings.lease / 4, self._stopped)
                threading.Thread(target=self._run, args=args, name="redisq-leases", daemon=True).start()
            self._consumers.add(consumer)

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
            self._pid = 0

    def _run(self, interval: float, stopped: threading.Event) -> None:
        while not stopped.wait(interval):
            self._renew_all()

    def _renew_all(self) -> None:
        """By itself, so that between two rounds nothing here refers to the consumer of a thread that may end."""
        with self._lock:
            consumers = [consumer for consumer in self._consumers if consumer.worker and consumer.in_use()]
        for consumer in consumers:
            self._renew(consumer)

    def _renew(self, consumer: Consumer) -> None:
        try:
            self._settings.server.call(renewal(consumer.sources, [consumer.worker]), self._settings.lease / 12)
            consumer.renewed_at = time.monotonic()
        except RedisQError as error:
            log.warning("lease.not_renewed worker=%s error=%s", consumer.worker, error)


class Consumers:
    """An app's consumers: one per thread and set of sources."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keeper = LeaseKeeper(settings)
        self._local = threading.local()

    def get(self, key: str, sources: Sequence[Source]) -> Consumer:
        """This thread's consumer for `key`, made for `sources`; a new one after a fork."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.consumers = os.getpid(), {}
        consumers: dict[str, Consumer] = self._local.consumers
        if key not in consumers:
            consumers[key] = Consumer(self._settings, sources, self._keeper)
        return consumers[key]

    def new(self, sources: Sequence[Source]) -> Consumer:
        """One more, of the caller's own."""
        return Consumer(self._settings, sources, self._keeper)

    def close(self) -> None:
        self._keeper.stop()
        self._local = threading.local()
