"""A fault run as the continuous integration makes it: 20,000 jobs, some fifty faults, and every job accounted for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.run import ROOT
from tests.servers import KINDS

JOBS = 20_000
SEEDS = {"valkey": 1, "redis": 2}
LIMIT = 240.0


@pytest.mark.timeout(LIMIT + 60)
def test_every_job_is_accounted_for(tmp_path: Path, server_kind: str) -> None:
    name = next(name for name, kind in KINDS.items() if kind == server_kind)
    options = ["--jobs", JOBS, "--seed", SEEDS[server_kind], "--server", name, "--duration-limit", LIMIT]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.run", *map(str, options), "--keep", str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    print(printed)
    assert done.returncode == 0, printed
    acknowledged = re.search(r"^acknowledged +(\d+)$", printed, re.MULTILINE)
    faults = re.search(r"^faults +(\d+) of (\d+) kinds", printed, re.MULTILINE)
    assert acknowledged is not None
    assert faults is not None
    assert int(acknowledged[1]) >= JOBS
    assert int(faults[1]) >= 40
    assert int(faults[2]) >= 8
