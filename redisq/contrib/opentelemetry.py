"""Tracing with OpenTelemetry: a span for each enqueueing and each run, and the trace's context along with the job.

Spans and attributes are those of OpenTelemetry's semantic conventions for messaging. Where spans go to, and how their
context is written down (W3C's `traceparent`, unless said otherwise), is as the program has set OpenTelemetry up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

from ..current import CurrentJob
from ..enqueueing import EnqueueCall
from ..middleware import Middleware
from ..options import MOST_HEADERS
from ..telling import describe

log = logging.getLogger(__name__)

#: Milliseconds for the spans of a worker's process to be exported when it ends.
FLUSH_MS = 5000


class OpenTelemetry(Middleware):
    """`redisq.RedisQ(middleware=[OpenTelemetry()])`. `tracer_provider`: the global one if it is not given.

    `enqueue <queue>` is a producer's span, from before a job is enqueued until the server has it; its context travels
    in the job's headers. `process <queue>` is a consumer's span around each run: a child of the first, linked to it.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._provider = tracer_provider
        self._tracer = trace.get_tracer("redisq", tracer_provider=tracer_provider)

    def before_enqueue(self, call: EnqueueCall) -> None:
        given = _origin(propagate.extract(call.headers, Context()))  # the caller has one of its own: it stays
        attributes = _attributes("enqueue", "send", call.queue, call.id, call.task)
        span = self._tracer.start_span(f"enqueue {call.queue}", None, SpanKind.PRODUCER, attributes, given)
        call.state[self] = span
        if not given:
            _inject(span, call.headers)

    def after_enqueue(self, call: EnqueueCall) -> None:
        span: Span = call.state.pop(self)
        if call.job is not None:
            span.set_attribute("messaging.message.id", call.job.id)
            span.set_attribute("redisq.created", call.job.created)
        if call.error is not None:
            _record(span, call.error)
        span.end()

    @contextmanager
    def around_run(self, job: CurrentJob) -> Iterator[None]:
        sent = propagate.extract(job.headers, Context())
        attributes = _attributes("process", "process", job.queue, job.id, job.task)
        attributes["redisq.attempt"] = job.attempt
        span = self._tracer.start_span(f"process {job.queue}", sent, SpanKind.CONSUMER, attributes, _origin(sent))
        with _in(span, sent):
            yield

    @contextmanager
    def around_batch(self, jobs: Sequence[CurrentJob]) -> Iterator[None]:
        """One span for the call, linked to what each job was enqueued in."""
        queue = jobs[0].queue
        attributes = _attributes("process", "process", queue, None, jobs[0].task)
        attributes["messaging.batch.message_count"] = len(jobs)
        links = [link for job in jobs for link in _origin(propagate.extract(job.headers, Context()))]
        span = self._tracer.start_span(f"process {queue}", Context(), SpanKind.CONSUMER, attributes, links)
        with _in(span, Context()):
            yield

    def close(self) -> None:
        provider = self._provider or trace.get_tracer_provider()
        flush = getattr(provider, "force_flush", None)  # of the SDK; the API alone has none
        if flush is not None:
            flush(FLUSH_MS)


@contextmanager
def _in(span: Span, parent: Context) -> Iterator[None]:
    """The span is the current one in the block, and ends with it."""
    token = context.attach(trace.set_span_in_context(span, parent))
    try:
        yield
    except BaseException as error:
        _record(span, error)
        raise
    finally:
        context.detach(token)
        span.end()


def _attributes(name: str, kind: str, queue: str, job_id: str | None, task: str | None) -> dict[str, Any]:
    return {
        "messaging.system": "redisq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": queue,
        **({"messaging.message.id": job_id} if job_id else {}),
        **({"redisq.task": task} if task else {}),
    }


def _origin(sent: Context) -> list[Link]:
    """A link to the span that is in there, if one is."""
    origin = trace.get_current_span(sent).get_span_context()
    return [Link(origin)] if origin.is_valid else []


def _inject(span: Span, headers: dict[str, str]) -> None:
    """As far as there is room: baggage may be large, and must not keep a job from being enqueued."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    for name, value in sorted(carrier.items(), key=lambda item: len(item[1])):
        if len(msgspec.json.encode(headers | {name: value})) <= MOST_HEADERS:
            headers[name] = value
        else:
            log.debug("opentelemetry.left_out header=%s", name)


def _record(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, describe(error)))
