"""Fixtures for tests with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.shop import Shop


@pytest.fixture
def shop(redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    """An app that a test may write anew, and its workers."""
    shop = Shop(redis_url, tmp_path)
    yield shop
    shop.close()
