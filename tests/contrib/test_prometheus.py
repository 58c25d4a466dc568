"""Metrics: what the middleware counts, and what is asked of the queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from redisq import JSON, FeedFull, Job, RedisQ, Retention
from redisq.contrib.prometheus import Prometheus, Queues, main


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url)
    yield app
    app.close()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """By the values of its labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def ran(waited: float, attempts: int = 0) -> Job:
    """A job that was enqueued so many seconds ago."""
    since = int((datetime.now(UTC) - timedelta(seconds=waited)).timestamp() * 1000)
    fields = {b"t": b"add", b"e": b"%d" % since, b"a": b"%d" % attempts}
    return Job(None, "q", "j1", fields, JSON())  # type: ignore[arg-type]


def test_jobs_are_counted_where_they_are_enqueued(redis_url: str, registry: CollectorRegistry) -> None:
    app = RedisQ(redis_url, middleware=[Prometheus(registry)], retention=Retention(feed=0))
    app.queue("q").enqueue_many("add", [((n,), {}) for n in range(3)])
    for _ in range(2):
        app.queue("q").options(job_id="once").put("payload")
    with pytest.raises(FeedFull):
        app.queue("q").options(feed="f").enqueue("add", 1)
    app.close()
    assert samples(registry, "redisq_jobs_enqueued_total") == {("q", "add"): 3, ("q", ""): 1}


def test_runs_are_counted_by_what_became_of_them(registry: CollectorRegistry) -> None:
    prometheus = Prometheus(registry, buckets=[1.0, 10.0])
    prometheus.after_run(ran(5.0), "succeeded", 0.5)
    prometheus.after_run(ran(5.0, attempts=1), "retried", 2.0)
    prometheus.after_run(ran(5.0), "postponed", 0.0)
    counted = {("q", "add", outcome): 1 for outcome in ("succeeded", "retried", "postponed")}
    assert samples(registry, "redisq_job_runs_total") == counted
    assert samples(registry, "redisq_job_run_seconds_sum") == {("q", "add"): 2.5}
    assert samples(registry, "redisq_job_run_seconds_count") == {("q", "add"): 2}
    assert samples(registry, "redisq_job_wait_seconds_count") == {("q", "add"): 1}
    assert samples(registry, "redisq_job_wait_seconds_sum")["q", "add"] == pytest.approx(4.5, abs=0.4)
    buckets = samples(registry, "redisq_job_wait_seconds_bucket")
    assert (buckets["q", "add", "1.0"], buckets["q", "add", "10.0"]) == (0, 1)


def test_nobody_has_waited_less_than_nothing(registry: CollectorRegistry) -> None:
    Prometheus(registry).after_run(ran(-5.0), "succeeded", 0.0)
    assert samples(registry, "redisq_job_wait_seconds_sum") == {("q", "add"): 0}


def test_what_is_in_the_queues_is_asked_at_each_scrape(app: RedisQ, registry: CollectorRegistry) -> None:
    registry.register(Queues(app))
    app.queue("a").put(1)
    app.queue("a").options(delay=60.0).put(2)
    app.queue("b").put(3)
    app.queue("b").pause()
    with app.queue("a").claim(timeout=5.0):  # type: ignore[union-attr]
        jobs = samples(registry, "redisq_jobs")
        assert {labels for labels, value in jobs.items() if value} == {
            ("a", "running"),
            ("a", "scheduled"),
            ("b", "queued"),
        }
        assert len(jobs) == 8
        assert samples(registry, "redisq_workers") == {("a",): 1, ("b",): 0}
    assert samples(registry, "redisq_paused") == {("a",): 0, ("b",): 1}
    assert samples(registry, "redisq_up") == {(): 1}
    assert 0 <= samples(registry, "redisq_oldest_job_seconds")["b",] < 60


def test_only_the_queues_that_are_named(app: RedisQ, registry: CollectorRegistry) -> None:
    app.queue("a").put(1)
    registry.register(Queues(app, ["b"]))
    assert {queue for queue, _ in samples(registry, "redisq_jobs")} == {"b"}


def test_a_queue_that_cannot_be_read_hides_no_other(app: RedisQ, client: Any, registry: CollectorRegistry) -> None:
    app.queue("a").put(1)
    client.set("redisq:{b}:pending", "no list")
    registry.register(Queues(app, ["a", "b"]))
    assert {queue for queue, _ in samples(registry, "redisq_jobs")} == {"a"}


def test_a_server_that_is_away_is_told_and_registering_asks_nothing(registry: CollectorRegistry) -> None:
    registry.register(Queues(RedisQ("redis://127.0.0.1:1/0", patience=0.0)))
    assert b"redisq_up 0.0" in generate_latest(registry)
    assert samples(registry, "redisq_jobs") == {}


def test_the_directory_of_processes_is_made(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, registry: CollectorRegistry
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", f"{tmp_path}/deep/down")
    Prometheus(registry)
    assert (tmp_path / "deep" / "down").is_dir()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--app", "no_such_module:app"], "no_such_module"), (["--port", "70000"], "port"), (["--url", "no"], "no")],
)
def test_what_it_cannot_do_it_says_in_one_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDISQ_APP", "tests.system.tasks:app")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert text in said
    assert said.count("\n") == 1
