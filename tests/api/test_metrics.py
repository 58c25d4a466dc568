"""/metrics: what it says, in a format that Prometheus reads, and to whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from redisq_api import clock
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.relay import Relay

import redisq
from tests.api.conftest import Client
from tests.api.working import post, work

SAMPLE = re.compile(r"([a-z_]+)(\{[a-z_]+=\"[^\"]*\"(?:,[a-z_]+=\"[^\"]*\")*\})? (-?[0-9.e+-]+)")


def read(client: Client) -> dict[str, float]:
    """All samples, by name and labels."""
    answer = client("GET", "/metrics", remote_addr="127.0.0.1")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n")
    samples: dict[str, float] = {}
    helped: set[str] = set()
    for line in answer.text.splitlines():
        if line.startswith("#"):
            kind, name = line.split(" ")[1:3]
            assert kind in ("HELP", "TYPE")
            helped.add(name)
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        name, labels, value = match.groups()
        assert name in helped or re.sub("_(bucket|sum|count)$", "", name) in helped
        assert f"{name}{labels or ''}" not in samples
        samples[f"{name}{labels or ''}"] = float(value)
    return samples


def test_tasks_by_queue_and_state(
    make_client: Callable[..., Client],
    redis_url: str,
    relay: Relay,
    app: redisq.RedisQ,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = make_client("ann", redis_url, backlog=6)
    monkeypatch.setattr("redisq_api.metrics._KEPT", 0.0)
    assert read(client)["redisq_api_redis_up"] == 1
    post(client, "first")
    post(client, "x", task="fail")
    post(client, "later", queue="high", delay=3600)
    work(app, count=4)  # the second is tried three times
    assert relay.collect(1.0) == 2
    waiting = post(client, [str(n) for n in range(9)])
    cancelled = post(client, [str(n) for n in range(9)])[0]
    assert client("DELETE", cancelled["links"]["self"]).status_code == 200
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 3 * clock.SECOND)
    found = read(client)
    assert found['redisq_api_tasks{queue="default",state="accepted"}'] == 17
    assert found['redisq_api_tasks{queue="high",state="accepted"}'] == 1
    assert found['redisq_api_outbox_tasks{queue="default"}'] == 17
    assert 3 <= found['redisq_api_outbox_age_seconds{queue="default"}'] < 60
    assert 'redisq_api_outbox_tasks{queue="high"}' not in found
    assert found['redisq_api_jobs{queue="high",status="scheduled"}'] == 1
    assert found['redisq_api_jobs{queue="default",status="failed"}'] == 1
    ended = {name: value for name, value in found.items() if name.startswith("redisq_api_tasks_ended_total")}
    assert ended == {
        'redisq_api_tasks_ended_total{queue="default",state="succeeded"}': 1,
        'redisq_api_tasks_ended_total{queue="default",state="failed"}': 1,
        'redisq_api_tasks_ended_total{queue="default",state="cancelled"}': 1,
    }
    assert Relay(database, app, 6).hand_over() == 6
    assert read(client)['redisq_api_tasks{queue="default",state="queued"}'] == 6
    assert waiting[0]["status"] == "accepted"


def test_the_queue_of_a_plan_is_told_of_like_one_that_a_user_has_by_name(
    make_client: Callable[..., Client], redis_url: str, acts: Acts
) -> None:
    acts.put_plan("gold", ["golden"], None, {})
    assert 'redisq_api_jobs{queue="golden",status="queued"}' in read(make_client("ann", redis_url))


def test_requests_by_route_and_status(client: Client) -> None:
    for path in ("/healthz", "/healthz/", "/api/v1/task/x", "/made/up", "/made/up/too"):
        client("GET", path)
    found = read(client)

    def count(method: str, route: str, status: int) -> float:
        name = f'redisq_api_request_seconds_count{{method="{method}",route="{route}",status="{status}"}}'
        return found.get(name, 0.0)

    assert count("GET", "/healthz", 200) == 2
    assert count("GET", "/api/v1/task/{task_id}", 404) == 1
    assert count("GET", "other", 404) == 2
    assert not any("made" in name for name in found)
    labels = 'method="GET",route="/healthz",status="200"'
    assert found[f'redisq_api_request_seconds_bucket{{{labels},le="+Inf"}}'] == 2
    assert 0 < found[f"redisq_api_request_seconds_sum{{{labels}}}"] < 10


def test_without_redis_the_database_still_tells(client: Client) -> None:
    found = read(client)
    assert (found["redisq_api_redis_up"], found["redisq_api_database_up"]) == (0, 1)


def test_without_the_database_requests_are_still_told(
    client: Client, away: Callable[[], AbstractContextManager[None]]
) -> None:
    with away():
        found = read(client)
    assert found["redisq_api_database_up"] == 0
    assert not any(name.startswith("redisq_api_outbox") for name in found)


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.1", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
    ],
)
def test_without_a_token_only_this_machine_reads_them(
    client: Client, address: str, headers: dict[str, str], status: int
) -> None:
    answer = client("GET", "/metrics", remote_addr=address, headers=headers)
    assert answer.status_code == status


def test_who_has_the_token_reads_them(make_client: Callable[..., Client], dead_url: str) -> None:
    client = make_client(None, dead_url, metrics_token="secret")
    for header, status in (("Bearer secret", 200), ("bearer secret", 200), ("Bearer secre", 401), ("Basic x", 401)):
        headers = {"Authorization": header}
        assert client("GET", "/metrics", remote_addr="192.0.2.1", headers=headers).status_code == status
    assert client("GET", "/metrics", remote_addr="127.0.0.1").status_code == 401
