"""The comparison of the REST service with others runs, for the one of them that is here: this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent.parent / "benchmarks" / "web" / "run.py"


def test_the_service_is_measured_in_every_workload(tmp_path: Path) -> None:
    (tmp_path / "redisq").symlink_to(sys.prefix)
    file = tmp_path / "web.json"
    command = [sys.executable, str(RUN), "--home", str(tmp_path), "--service", "redisq", "--rounds", "1"]

    done = subprocess.run(
        [*command, "--seconds", "0.1", "--save", str(file)], capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text())["rounds"]
    assert {(row["workload"], row["settings"], row["variant"]) for row in rows} == {
        ("result", "token", ""),
        ("result", "token", "?wait"),
        ("post while workers run", "token", ""),
        ("memory of the service", "", ""),
        ("status", "token", ""),
        ("list", "token", ""),
        ("post", "token", ""),
        ("post", "Basic", ""),
        ("post 100", "token", ""),
    }
    assert all(row["figures"]["per_s"] > 0 for row in rows if "per_s" in row["figures"])
