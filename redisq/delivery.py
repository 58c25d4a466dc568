"""Delivery: a claimed job in the hands of whoever claimed it through the library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from . import claimed as verdict
from .connection import evalsha
from .consumer import Open
from .errors import InvalidOption, LeaseLost, Retry
from .failing import failed
from .job import Job
from .options import RunOptions
from .scripts import TOLD
from .telling import describe, trace
from .times import is_seconds


class Delivery:
    """A job that was claimed and is to be settled: by `ack`, `nack` or `release`, or by leaving its `with` block.

    All of them raise LeaseLost when the job is no longer ours; while a delivery is open, its lease is renewed.
    """

    def __init__(self, opened: Open, job: Job) -> None:
        self.job = job
        self._open: Open | None = opened

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.job.id}>"

    def ack(self, result: Any = None) -> None:
        """The job has succeeded, with this result."""
        opened = self._still_open()
        data = opened.consumer.settings.codec.encode(result)
        self._settle(verdict.succeeded(opened.claimed, data, opened.claimed.run_options()))

    def nack(self, error: BaseException | str, retry_in: float | None = None) -> None:
        """The attempt failed: tried again in `retry_in` seconds (None: backoff), or a dead letter if none is left.

        A redisq.GiveUp makes a dead letter at once; a redisq.Retry says itself when.
        """
        _check(retry_in)
        claimed = self._still_open().claimed
        self._settle(failed(claimed, error, claimed.run_options(), retry_in))

    def release(self) -> None:
        """Back to the head of the queue, as if it had not been claimed."""
        self._settle(verdict.released(self._still_open().claimed))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is None:
            return
        if error is None:
            self.ack()
            return
        with suppress(LeaseLost):  # what was raised in the block matters more
            if isinstance(error, Exception):
                self.nack(error)
            else:
                self.release()  # interrupted: nobody's fault

    def _still_open(self) -> Open:
        if self._open is None:
            raise InvalidOption(f"{self!r} is settled already")
        return self._open

    def _settle(self, settlement: verdict.Settlement) -> None:
        opened = self._still_open()
        try:
            opened.consumer.settle([(opened, settlement)])
        except LeaseLost:
            self._open = None
            raise
        self._open = None


class FeedDelivery(Delivery):
    """The news that a job has ended: `job` as it now is. `ack` when you have noted it."""

    def __init__(self, opened: Open, job: Job, queue_base: str) -> None:
        super().__init__(opened, job)
        self.queue_base = queue_base

    def ack(self, result: None = None) -> None:
        ack_many([self])

    def nack(self, error: BaseException | str, retry_in: float | None = None) -> None:
        """Not noted: delivered again in `retry_in` seconds (None: backoff), as often as it takes."""
        _check(retry_in)
        claimed = self._still_open().claimed
        options = RunOptions(max_attempts=2**31, backoff=1.0)
        if retry_in is None and isinstance(error, Retry):
            retry_in = error.in_
        self._settle(verdict.failed(claimed, describe(error), options, retry_in, trace(error)))


def _check(retry_in: float | None) -> None:
    if retry_in is not None and not is_seconds(retry_in):
        raise InvalidOption(f"retry_in: seconds from 0 on, not {retry_in!r}")


def ack_many(deliveries: Sequence[FeedDelivery]) -> None:
    """Ack deliveries of a feed, those that were claimed together in one round trip."""
    for consumer in {delivery._still_open().consumer for delivery in deliveries}:
        group = [delivery for delivery in deliveries if delivery._still_open().consumer is consumer]
        told: dict[str, list[bytes]] = {}
        for delivery in group:
            told.setdefault(delivery.queue_base, []).append(delivery._still_open().claimed.id)
        # first the records' TTL, then the entries: in between, an entry is delivered again rather than a record kept
        # for ever
        before = [evalsha(TOLD, [base], ids) for base, ids in told.items()]
        settled = [(delivery._still_open(), verdict.gone(delivery._still_open().claimed)) for delivery in group]
        try:
            consumer.settle(settled, before)
        finally:
            for delivery in group:
                delivery._open = None
