"""Settings come from the environment; what is wrong is one line that names the variable."""

from __future__ import annotations

import inspect
import re
from ipaddress import ip_network

import pytest
from redisq_api import settings
from redisq_api.settings import Misconfigured, Settings


def test_nothing_set_means_the_defaults() -> None:
    assert settings.read({}) == Settings()


def test_everything_is_read() -> None:
    read = settings.read(
        {
            "REDISQ_URL": "redis://r/1",
            "REDISQ_APP": "shop:app",
            "REDISQ_DATABASE": "sqlite:////x/y",
            "REDISQ_CORS_ORIGINS": " https://a.example , http://localhost:*,http://[::1]:8080",
            "REDISQ_API_TASK": "resize",
            "REDISQ_API_BACKLOG": "7",
            "REDISQ_API_BACKLOG_BYTES": "77",
            "REDISQ_API_MAX_BODY": "8",
            "REDISQ_API_MAX_INPUTS": "9",
            "REDISQ_API_WAITERS": "0",
            "REDISQ_API_PROXIES": "1",
            "REDISQ_API_LONGEST": "2",
            "REDISQ_API_UNFINISHED": "3",
            "REDISQ_API_REQUESTS": "600/60",
            "REDISQ_API_KEEP_DAYS": "4",
            "REDISQ_API_METRICS_TOKEN": "t",
            "REDISQ_API_METRICS_FILE": "/run/m",
            "REDISQ_API_TASKS": "resize, shop.ship,",
            "REDISQ_API_WEBHOOK_QUEUE": "hooks",
            "REDISQ_API_WEBHOOK_ALLOW": "10.1.0.0/16, ::1",
            "REDISQ_API_WEBHOOK_TIMEOUT": "5",
            "REDISQ_API_WEBHOOK_RETRIES": "1, 60,",
        }
    )
    origins = ("https://a.example", "http://localhost:*", "http://[::1]:8080")
    assert read == Settings(
        redis_url="redis://r/1",
        app="shop:app",
        database="sqlite:////x/y",
        cors_origins=origins,
        task="resize",
        backlog=7,
        backlog_bytes=77,
        max_body=8,
        max_inputs=9,
        waiters=0,
        proxies=1,
        metrics_token="t",
        metrics_file="/run/m",
        longest=2,
        unfinished=3,
        requests=(600, 60),
        keep_days=4,
        tasks=("resize", "shop.ship"),
        webhook_queue="hooks",
        webhook_allow=(ip_network("10.1.0.0/16"), ip_network("::1")),
        webhook_timeout=5,
        webhook_retries=(1, 60),
    )


def test_every_setting_is_in_the_table() -> None:
    table = settings.__doc__ or ""
    names = set(re.findall(r'"(REDISQ_[A-Z_]+)"', inspect.getsource(settings)))
    assert len(names) > 10
    assert {name for name in names if f"| {name} " not in table} == set()


@pytest.mark.parametrize("value", ["x", "600", "600/0", "0/60", "-1/60", "600/60/60", "٣/60", "9" * 20 + "/1", "6 / 6"])
def test_a_bad_quota_of_requests_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_API_REQUESTS must be a count and seconds such as 600/60") as told:
        settings.read({"REDISQ_API_REQUESTS": value})
    assert "\n" not in str(told.value)


def test_no_quota_of_requests() -> None:
    assert settings.read({"REDISQ_API_REQUESTS": "0"}).requests == settings.read({}).requests == (0, 0)


def test_tasks_are_not_kept_for_longer_than_a_date_can_say() -> None:
    with pytest.raises(Misconfigured, match="REDISQ_API_KEEP_DAYS"):
        settings.read({"REDISQ_API_KEEP_DAYS": "100000"})


@pytest.mark.parametrize("value", ["-1", "0", "ten", "1.5", "٣", "9" * 20])
def test_a_bad_number_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_API_MAX_BODY must be a whole number of at least 1") as told:
        settings.read({"REDISQ_API_MAX_BODY": value})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE", "a b"), ("QUEUE", "x" * 65), ("ALLOW", "10.0.0.1/8"), ("ALLOW", "localhost"), ("TIMEOUT", "0"),
        ("TIMEOUT", "1000"), ("RETRIES", "5,x"), ("RETRIES", "-1"), ("RETRIES", "99999999"),
    ],
)  # fmt: skip
def test_a_bad_setting_of_webhooks_is_named(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"REDISQ_API_WEBHOOK_{name}") as told:
        settings.read({f"REDISQ_API_WEBHOOK_{name}": value})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", ["*", "null", "example.org", "https://a.example/", "https://*.example", "ftp://a"])
def test_a_bad_origin_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_CORS_ORIGINS"):
        settings.read({"REDISQ_CORS_ORIGINS": f"https://good.example,{value}"})
