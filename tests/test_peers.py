"""The comparison with other libraries runs, for the one of them that is here: this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent.parent / "benchmarks" / "peers" / "run.py"


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_drain_of_redisq_is_measured(tmp_path: Path, server_kind: str) -> None:
    (tmp_path / "redisq").symlink_to(sys.prefix)
    file = tmp_path / "peers.json"
    what = ["--peer", "redisq/safest-1", "--workload", "drain", "--rounds", "1", "--jobs", "500"]

    done = run(tmp_path, *what, "--server", server_kind, "--save", str(file))

    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(file.read_text())["rounds"]
    assert (row["peer"], row["variant"], row["workload"], row["round"]) == ("redisq", "safest-1", "drain", 1)
    assert row["figures"]["jobs_per_s"] > 0
    assert "redisq safest-1" in done.stdout


def test_a_peer_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--peer", "nobody")
    assert done.returncode == 2
    assert "unknown: nobody" in done.stderr


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "--peer", "rq", "--rounds", "1")
    assert done.returncode == 1
    assert "rq: python is not installed" in done.stderr
