"""An app that is traced and counted; its spans are appended to the file $HISTORY, one a line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from redisq import RedisQ
from redisq.contrib.opentelemetry import OpenTelemetry
from redisq.contrib.prometheus import Prometheus
from tests.system.tasks import note
from tests.waiting import wait_until


class Writing(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            assert span.context is not None
            note("span", span.name.replace(" ", "-"), f"{span.context.trace_id:032x}")
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Writing(), schedule_delay_millis=3_600_000))  # not before it is told to
app = RedisQ(middleware=[OpenTelemetry(provider), Prometheus()])


@app.task("meet")
def meet() -> int:
    """Ends once another process runs it too."""
    note("pid", os.getpid())

    def pids() -> set[str]:
        return {line for line in Path(os.environ["HISTORY"]).read_text().splitlines() if line.startswith("pid")}

    wait_until(lambda: len(pids()) == 2, timeout=30.0)
    return os.getpid()


@app.task("double")
async def double(n: int) -> int:
    return 2 * n
