"""OpenTelemetry: what a job does belongs to the trace of who enqueued it."""

import sys

import playground
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import redisq
from redisq.contrib.opentelemetry import OpenTelemetry

# Yours has another exporter, and a BatchSpanProcessor.
exporter = ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: f"{span.name}\n")
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop")

app = redisq.RedisQ(middleware=[OpenTelemetry()])


def trace_id():
    return trace.get_current_span().get_span_context().trace_id


@app.task("charge")
def charge(amount):
    with tracer.start_as_current_span("call the bank"):
        return trace_id()


if __name__ == "__main__":
    with tracer.start_as_current_span("POST /orders"):
        job = charge.enqueue(5)
        mine = trace_id()
    with playground.worker():
        print(job.wait(timeout=30) == mine)
