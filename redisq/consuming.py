"""A queue without the worker: claim, ack, nack by hand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from .claimed import Claimed, Settlement, Source, expired, forged, is_genuine, postponed_as_newer
from .consumer import Consumers
from .delivery import Delivery
from .errors import LeaseLost, ServerUnavailable
from .job import WIRE
from .queue import Queue
from .settings import Settings

log = logging.getLogger(__name__)


class ClaimableQueue(Queue):
    """A queue that can also be claimed from."""

    def __init__(self, settings: Settings, consumers: Consumers, name: str) -> None:
        super().__init__(settings, name)
        self._consumers = consumers
        self._source = Source(name, self.base)

    def claim(self, timeout: float | None = 5.0) -> Delivery | None:
        """The next job, or None when none came for `timeout` seconds (None: wait for ever). ServerUnavailable."""
        consumer = self._consumers.get(self.name, [self._source])
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while opened := consumer.claim(1, None if timeout is None else deadline - time.monotonic()):
            job = opened[0].claimed
            settlement = self._unfit(job)
            if settlement is None:
                return Delivery(opened[0], self.read(job))
            consumer.settle([(opened[0], settlement)])
        return None

    def _unfit(self, job: Claimed) -> Settlement | None:
        """What becomes of a job that nobody is given."""
        if int(job.version) > WIRE:
            return postponed_as_newer(job)
        if self._settings.signer is not None and not is_genuine(job, self._settings.signer):
            return forged(job)
        return expired(job) if job.expired else None

    def consume(self, handle: Callable[..., Any]) -> None:
        """For ever: claim a job, call `handle` with its payload (or its arguments), ack, or nack if it raises.

        Goes on after errors of `handle`, a lost lease, and while the server is away.
        """
        while True:
            try:
                delivery = self.claim()
                if delivery is not None:
                    self._handle(delivery, handle)
            except (LeaseLost, ServerUnavailable) as error:
                log.warning("consume.trouble queue=%s error=%s", self.name, error)

    def _handle(self, delivery: Delivery, handle: Callable[..., Any]) -> None:
        job = delivery.job
        try:
            with delivery:
                if job.task is None:
                    handle(job.payload)
                else:
                    handle(*(job.args or ()), **(job.kwargs or {}))
        except Exception:
            log.exception("consume.failed id=%s", job.id)
