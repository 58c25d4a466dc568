"""Tracing: a span per enqueueing and per run, joined by what travels with the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from redisq import CurrentJob, FeedFull, Job, RedisQ, Retention, current_job
from redisq.claimed import Settlement, Source
from redisq.claimer import Claimer, registration
from redisq.contrib.opentelemetry import OpenTelemetry
from redisq.worker.runner import Runner
from redisq.worker.together import Together

Spans = Callable[[], list[ReadableSpan]]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Spans:
    """Those that have ended, in that order."""
    return lambda: list(exporter.get_finished_spans())


@pytest.fixture
def app(redis_url: str, provider: TracerProvider) -> Iterator[RedisQ]:
    app = RedisQ(redis_url, middleware=[OpenTelemetry(provider)])

    @app.task("add")
    def add(a: int, b: int = 0) -> int:
        return a + b

    @app.task("tell")
    async def tell() -> list[Any]:
        await asyncio.sleep(0)
        here = trace.get_current_span().get_span_context()
        return [f"{here.trace_id:032x}", f"{here.span_id:016x}", baggage.get_baggage("tenant")]

    @app.task("fail")
    def fail() -> None:
        raise KeyError("lost")

    @app.task("parent")
    def parent() -> dict[str, str]:
        return current_job().enqueue("add", 1).headers

    yield app
    app.close()


def work(app: RedisQ) -> list[Settlement]:
    """Run what is queued, as a worker does."""
    source, runner = Source("default", app.queue("default").base), Runner(app, "w1")
    app.settings.server.ask(registration(app.settings, [source], "w1"), 5.0)
    claimer = Claimer(app.settings, [source], "w1", lambda: False, lambda error: None)
    try:
        _, jobs = claimer.exchange([], 100, 0.0)
        settled = [runner.run(job, runner.options(job)) for job in jobs]
        claimer.exchange(settled, 0, 0.0)
    finally:
        claimer.close()
        runner.close()
    return settled


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def result(app: RedisQ, job: Job) -> Any:
    work(app)
    return job.refresh().result


def test_a_run_is_the_child_of_its_enqueueing(app: RedisQ, spans: Spans, provider: TracerProvider) -> None:
    with provider.get_tracer("test").start_as_current_span("request"):
        job = app.tasks["add"].enqueue(1, b=2)
    work(app)
    enqueue, request, process = spans()
    assert request.context is not None
    assert enqueue.context is not None
    assert (enqueue.name, enqueue.kind, enqueue.parent) == ("enqueue default", SpanKind.PRODUCER, request.context)
    assert (process.name, process.kind) == ("process default", SpanKind.CONSUMER)
    assert process.parent is not None
    assert process.parent.span_id == enqueue.context.span_id
    assert [link.context.span_id for link in process.links] == [enqueue.context.span_id]
    common = {
        "messaging.system": "redisq",
        "messaging.destination.name": "default",
        "messaging.message.id": job.id,
        "redisq.task": "add",
    }
    assert attributes(enqueue) == common | {
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "redisq.created": True,
    }
    assert attributes(process) == common | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "redisq.attempt": 1,
    }
    assert set(job.headers) == {"traceparent"}


def test_inside_of_a_job_the_trace_goes_on(app: RedisQ, spans: Spans) -> None:
    token = context.attach(baggage.set_baggage("tenant", "7"))
    try:
        job = app.tasks["tell"].enqueue()
    finally:
        context.detach(token)
    trace_id, span_id, tenant = result(app, job)
    process = spans()[-1]
    assert process.context is not None
    assert (trace_id, span_id) == (f"{process.context.trace_id:032x}", f"{process.context.span_id:016x}")
    assert tenant == "7"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_job_that_fails_is_an_error_of_its_run(app: RedisQ, spans: Spans) -> None:
    app.tasks["fail"].enqueue()
    work(app)
    enqueue, process = spans()
    assert enqueue.status.status_code is StatusCode.UNSET
    assert (process.status.status_code, process.status.description) == (StatusCode.ERROR, "KeyError: 'lost'")
    assert attributes(process)["error.type"] == "KeyError"
    assert [event.name for event in process.events] == ["exception"]


def test_an_enqueueing_that_fails_is_an_error(redis_url: str, provider: TracerProvider, spans: Spans) -> None:
    app = RedisQ(redis_url, middleware=[OpenTelemetry(provider)], retention=Retention(feed=0))
    with pytest.raises(FeedFull):
        app.queue("q").options(feed="f").put(1)
    app.close()
    (enqueue,) = spans()
    assert enqueue.status.status_code is StatusCode.ERROR
    assert attributes(enqueue)["error.type"] == "FeedFull"
    assert "redisq.task" not in attributes(enqueue)


def test_each_job_of_many_has_its_own(app: RedisQ, spans: Spans, provider: TracerProvider) -> None:
    with provider.get_tracer("test").start_as_current_span("request") as request:
        asyncio.run(app.tasks["add"].enqueue_many_async([((n,), {}) for n in range(3)]))
    work(app)
    enqueued = [span for span in spans() if span.kind is SpanKind.PRODUCER]
    processed = [span for span in spans() if span.kind is SpanKind.CONSUMER]
    assert {span.parent.span_id for span in enqueued if span.parent} == {request.get_span_context().span_id}
    assert [s.parent.span_id for s in processed if s.parent] == [s.context.span_id for s in enqueued if s.context]
    assert len(enqueued) == len(processed) == 3


def test_a_follow_up_belongs_to_the_run_that_asks_for_it(app: RedisQ, spans: Spans) -> None:
    headers = result(app, app.tasks["parent"].enqueue())
    _, follow_up, process = spans()
    assert (follow_up.parent, follow_up.name) == (process.context, "enqueue default")
    assert follow_up.context is not None
    assert f"{follow_up.context.span_id:016x}" in headers["traceparent"]


def test_a_context_that_the_caller_gives_stays(app: RedisQ, spans: Spans) -> None:
    given = f"00-{1:032x}-{2:016x}-01"
    job = app.tasks["add"].options(headers={"traceparent": given}).enqueue(1)
    work(app)
    enqueue, process = spans()
    assert job.headers == {"traceparent": given}
    assert [link.context.span_id for link in enqueue.links] == [2]
    assert process.parent is not None
    assert (process.parent.trace_id, process.parent.span_id) == (1, 2)


def test_baggage_that_is_too_large_is_left_behind(app: RedisQ) -> None:
    token = context.attach(baggage.set_baggage("tenant", "7" * 4000))
    try:
        job = app.tasks["add"].options(headers={"own": "x" * 500}).enqueue(1)
    finally:
        context.detach(token)
    assert set(job.headers) == {"own", "traceparent"}


def test_a_job_without_a_context_begins_a_trace(redis_url: str, app: RedisQ, spans: Spans) -> None:
    plain = RedisQ(redis_url)
    plain.queue("default").enqueue("add", 1)
    plain.close()
    work(app)
    (process,) = spans()
    assert (process.parent, process.links) == (None, ())


def test_without_the_sdk_nothing_is_traced(redis_url: str) -> None:
    app = RedisQ(redis_url, middleware=[OpenTelemetry()])
    app.task("add")(lambda: "fine")
    job = app.tasks["add"].enqueue()
    assert job.headers == {}
    assert result(app, job) == "fine"
    app.middlewares.close()
    app.close()


def test_a_call_for_several_jobs_is_one_span_linked_to_where_each_was_enqueued(app: RedisQ, spans: Spans) -> None:
    seen: list[int] = []

    @app.task("index", batch=10)
    def index(jobs: list[CurrentJob]) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    index.enqueue_many([((), {}), ((), {})])
    source, runner = Source("default", app.queue("default").base), Runner(app, "w1")
    app.settings.server.ask(registration(app.settings, [source], "w1"), 5.0)
    claimer = Claimer(app.settings, [source], "w1")
    _, jobs = claimer.exchange([], 100, 0.0)
    Together(runner, jobs).run()
    claimer.close()
    *sent, processed = spans()
    assert (processed.name, seen) == ("process default", [processed.context.span_id])
    assert processed.parent is None
    assert [link.context.span_id for link in processed.links] == [span.context.span_id for span in sent]
    assert processed.attributes is not None
    assert processed.attributes["messaging.batch.message_count"] == 2
