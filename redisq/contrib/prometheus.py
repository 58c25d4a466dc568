"""Metrics for Prometheus: a middleware that counts, a collector of what is in queues, and a program that serves both.

    python -m redisq.contrib.prometheus --app shop:app --port 9464

A worker's processes cannot be asked one by one, so they write their numbers to files, in the directory
$PROMETHEUS_MULTIPROC_DIR; the program adds them up.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..app import RedisQ
from ..enqueueing import EnqueueCall
from ..errors import RedisQError
from ..finding import load_app
from ..job import Job
from ..logs import log_to_stderr
from ..middleware import Middleware
from ..queue import queue_names
from ..survey import QueueInfo, Survey

log = logging.getLogger("redisq.contrib.prometheus")  # also as `python -m`

#: Upper ends, in seconds: from a fast job to a long one, and to a long queue.
BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
#: Seconds for which a server that is away is waited for: a scrape has no more time.
PATIENCE = 3.0


class Prometheus(Middleware):
    """`redisq.RedisQ(middleware=[Prometheus()])`. `buckets`: of both histograms, in seconds.

    redisq_jobs_enqueued_total{queue, task}, redisq_job_runs_total{queue, task, outcome}, and the histograms
    redisq_job_run_seconds{queue, task} and redisq_job_wait_seconds{queue, task}, from enqueued to started.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, buckets: Sequence[float] = BUCKETS) -> None:
        directory = _directory()
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        by = ("queue", "task")
        self._enqueued = Counter("redisq_jobs_enqueued", "Jobs that were enqueued here.", by, registry=registry)
        self._runs = Counter("redisq_job_runs", "Runs, by what became of them.", (*by, "outcome"), registry=registry)
        self._run = Histogram("redisq_job_run_seconds", "How long runs took.", by, registry=registry, buckets=buckets)
        self._wait = Histogram(
            "redisq_job_wait_seconds",
            "From enqueued to started, of first attempts; a delay is part of it.",
            by,
            registry=registry,
            buckets=buckets,
        )

    def after_enqueue(self, call: EnqueueCall) -> None:
        if call.job is not None and call.job.created:
            self._enqueued.labels(call.queue, call.task or "").inc()

    def after_run(self, job: Job, outcome: str, seconds: float) -> None:
        by = job.queue, job.task or ""
        self._runs.labels(*by, outcome).inc()
        if outcome == "postponed":
            return
        self._run.labels(*by).observe(seconds)
        if job.attempt == 1 and job.created_at is not None:
            waited = (datetime.now(UTC) - job.created_at).total_seconds() - seconds
            self._wait.labels(*by).observe(max(0.0, waited))  # two clocks: the server's, and this machine's


class Queues(Collector):
    """What is in an app's queues, asked of the server at each scrape: `registry.register(Queues(app))`, in one process.

    `names`: of which queues; all, if not given. redisq_jobs{queue, status}, redisq_oldest_job_seconds{queue},
    redisq_workers{queue}, redisq_paused{queue}; redisq_up is 0, and the others absent, while the server is away.
    """

    def __init__(self, app: RedisQ, names: Iterable[str] | None = None) -> None:
        self._settings = msgspec.structs.replace(app.settings, patience=min(PATIENCE, app.settings.patience))
        self._survey = Survey(self._settings)
        self._names = None if names is None else list(names)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing, so that registering asks nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            infos = self._survey.queues(sorted(queue_names(self._settings)) if self._names is None else self._names)
        except RedisQError as error:
            log.warning("metrics.trouble error=%s", error)
            yield GaugeMetricFamily("redisq_up", "Whether the server answers.", 0)
            return
        yield GaugeMetricFamily("redisq_up", "Whether the server answers.", 1)
        yield from _families([info for info in infos if info.trouble is None])


def main(argv: Sequence[str] | None = None) -> int:
    """Serve metrics until it is told to stop. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m redisq.contrib.prometheus", description="Serves metrics.")
    parser.add_argument("--app", metavar="MODULE:ATTRIBUTE", help="whose queues (default: $REDISQ_APP)")
    parser.add_argument("--url", help="the server (default: the app's own, $REDISQ_URL)")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9464, help="default: 9464")
    args = parser.parse_args(argv)
    log_to_stderr("text", "info")
    registry = CollectorRegistry()
    try:
        registry.register(Queues(load_app(args.app).replace(url=args.url)))
        if _directory() is not None:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        _, thread = start_http_server(args.port, args.host, registry)
    except (RedisQError, OSError, OverflowError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    log.info("metrics.started url=http://%s:%d/metrics", args.host, args.port)
    with suppress(KeyboardInterrupt):
        thread.join()
    return 0


def _directory() -> Path | None:
    """Where processes write their numbers, if they do."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(directory) if directory else None


def _families(infos: Sequence[QueueInfo]) -> Iterator[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("redisq_jobs", "Jobs that have not ended well, by status.", labels=("queue", "status"))
    oldest = GaugeMetricFamily("redisq_oldest_job_seconds", "Age of the job that is next.", labels=("queue",))
    workers = GaugeMetricFamily("redisq_workers", "Registered workers.", labels=("queue",))
    paused = GaugeMetricFamily("redisq_paused", "Whether the queue is paused.", labels=("queue",))
    for info in infos:
        for status in ("scheduled", "queued", "running", "failed"):
            jobs.add_metric((info.name, status), getattr(info, status))
        oldest.add_metric((info.name,), info.oldest_age or 0.0)
        workers.add_metric((info.name,), info.workers)
        paused.add_metric((info.name,), int(info.paused))
    yield from (jobs, oldest, workers, paused)


if __name__ == "__main__":
    sys.exit(main())
