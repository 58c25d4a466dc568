"""A fault run of the service as the continuous integration makes it: some seconds on each database."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.faults.service import ROOT
from tests.needs import need_postgresql


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_was_accepted_ends_once_whatever_is_killed(database: str) -> None:
    if database == "postgresql":
        need_postgresql()
    options = ["--database", database, "--seconds", "10", "--processes", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.service", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    print(printed)
    assert done.returncode == 0, printed
    assert re.search(r"^accepted +500$", printed, re.MULTILINE)
    assert re.search(r"^kills .*server", printed, re.MULTILINE)
