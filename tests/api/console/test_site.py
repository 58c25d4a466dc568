"""What all pages share."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from redisq_api.console.assets import Assets
from redisq_api.console.site import Site


def test_all_templates_are_there_before_the_first_page_is_asked_for() -> None:
    names = {file.name for file in files("redisq_api.console").joinpath("templates").iterdir()}
    unused: Any = None
    site = Site(unused, Assets())
    cache: Any = site._templates.cache
    assert {name for _, name in cache.keys()} == names  # noqa: SIM118
