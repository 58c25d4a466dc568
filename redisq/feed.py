"""Feed: being told how jobs end. A job that names a feed leaves an entry in it, in the script that ends the job."""

from __future__ import annotations

import time
from collections.abc import Sequence

from . import keys
from .claimed import Source, gone
from .consumer import Consumer, Consumers, Open
from .delivery import FeedDelivery, ack_many
from .queue import Queue, queue_names
from .settings import Settings

#: Seconds after which a reader looks for new queues.
LOOK_EVERY = 1.0


class Feed:
    """A feed by name, over all queues. Several may read it: an entry is one reader's until acked or given back."""

    def __init__(self, settings: Settings, consumers: Consumers, name: str) -> None:
        self.name = keys.check_name(name, "feed")
        self._settings = settings
        self._consumers = consumers
        self._queues: dict[str, Queue] = {}
        self._looked = float("-inf")

    def __repr__(self) -> str:
        return f"<Feed {self.name}>"

    def claim(self, timeout: float | None = 5.0) -> FeedDelivery | None:
        """News of one job that has ended, or None when none came for `timeout` seconds."""
        return next(iter(self.claim_many(1, timeout)), None)

    def claim_many(self, limit: int, timeout: float | None = 5.0) -> list[FeedDelivery]:
        """News of up to `limit` jobs, as soon as there are any; none if none came for `timeout` seconds."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            consumer = self._consumer()
            wait = min(remaining, LOOK_EVERY)  # not longer: a queue that comes up meanwhile has to be waited on too
            if consumer is None:
                time.sleep(max(0.0, wait))
            elif deliveries := self._deliveries(consumer.claim(limit, max(0.0, wait))):
                return deliveries
            if remaining <= 0:
                return []

    def ack_many(self, deliveries: Sequence[FeedDelivery]) -> None:
        """Ack many in one round trip. LeaseLost if one was no longer ours; the others are acked all the same."""
        ack_many(deliveries)

    def _consumer(self) -> Consumer | None:
        """This thread's consumer, for all queues that are known by now; None while there is none."""
        if time.monotonic() - self._looked > LOOK_EVERY:
            for name in queue_names(self._settings) - self._queues.keys():
                self._queues[name] = Queue(self._settings, name)
            self._looked = time.monotonic()
        sources = [Source(name, keys.feed_base(queue.base, self.name), 0) for name, queue in list(self._queues.items())]
        if not sources:
            return None
        consumer = self._consumers.get(f"feed:{self.name}", sources)
        known = {source.base for source in consumer.sources}
        if new := [source for source in sources if source.base not in known]:
            consumer.add_sources(new)
        return consumer

    def _deliveries(self, opened: Sequence[Open]) -> list[FeedDelivery]:
        deliveries: list[FeedDelivery] = []
        for name in dict.fromkeys(entry.claimed.source.name for entry in opened):
            queue = self._queues[name]
            entries = [entry for entry in opened if entry.claimed.source.name == name]
            jobs = queue.find([entry.claimed.id.decode() for entry in entries])
            deliveries += [
                FeedDelivery(entry, job, queue.base) for entry, job in zip(entries, jobs, strict=True) if job
            ]
            for entry in (entry for entry, job in zip(entries, jobs, strict=True) if job is None):  # deleted meanwhile
                entry.consumer.settle([(entry, gone(entry.claimed))])
        return deliveries
