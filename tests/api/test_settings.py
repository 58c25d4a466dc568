"""Settings come from the environment; what is wrong is one line that names the variable."""

from __future__ import annotations

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
            "REDISQ_API_MAX_BODY": "8",
            "REDISQ_API_MAX_INPUTS": "9",
            "REDISQ_API_WAITERS": "0",
            "REDISQ_API_PROXIES": "1",
            "REDISQ_API_BACKLOG_BYTES": "10",
            "REDISQ_API_METRICS_TOKEN": "secret",
            "REDISQ_API_METRICS_FILE": "/x/y",
        }
    )
    origins = ("https://a.example", "http://localhost:*", "http://[::1]:8080")
    assert read == Settings(
        "redis://r/1", "shop:app", "sqlite:////x/y", origins, "resize",
        backlog=7, backlog_bytes=10, max_body=8, max_inputs=9, waiters=0, proxies=1,
        metrics_token="secret", metrics_file="/x/y",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["-1", "0", "ten", "1.5", "٣", "9" * 20])
def test_a_bad_number_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_API_MAX_BODY must be a whole number of at least 1") as told:
        settings.read({"REDISQ_API_MAX_BODY": value})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", ["*", "null", "example.org", "https://a.example/", "https://*.example", "ftp://a"])
def test_a_bad_origin_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="REDISQ_CORS_ORIGINS"):
        settings.read({"REDISQ_CORS_ORIGINS": f"https://good.example,{value}"})
