"""The pages: they build without a warning, need nothing from elsewhere, and every public name has its place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

import redisq
from redisq.cli import _parser

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-E", "-d", str(target / "trees")]
    done = subprocess.run([*command, str(DOCS), str(target / "html")], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return target / "html"


def test_every_public_name_is_described_once(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    described = {name for kind, names in inventory.data.items() if kind.startswith("py:") for name in names}
    public = {f"redisq.{name}" for name in redisq.__all__}
    assert public - described == set()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loading = re.compile(
        r"""(?:src|srcset)=["']?(?:https?:)?//|<link[^>]+href=["']?(?:https?:)?//|url\(["']?(?:https?:)?//"""
    )
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 20
    assert [str(page) for page in pages if loading.search(page.read_text())] == []


def test_every_flag_of_the_worker_is_on_its_page(site: Path) -> None:
    page = (site / "reference" / "worker.html").read_text()
    flags = {flag for action in _parser()._actions for flag in action.option_strings}
    assert {flag for flag in flags if f"redisq-worker-{flag}" not in page} == set()


def test_every_event_on_the_page_is_one_that_the_code_logs() -> None:
    page = (DOCS / "guides" / "worker.rst").read_text()
    events = set(re.findall(r"^``([a-z]+\.[a-z]+)``", page, re.MULTILINE))
    source = "\n".join(path.read_text() for path in (DOCS.parent / "redisq").rglob("*.py"))
    outcomes = {"job.postponed", "job.dead"}  # of which the code has the second word from a table
    assert len(events) > 10
    assert {event for event in events - outcomes if f'"{event}' not in source} == set()
