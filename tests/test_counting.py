"""What a job costs is counted, and held against the numbers that were accepted in benchmarks/counting.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPT = BENCHMARKS / "counting.py"


def count(kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--server", kind, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_job_costs_no_more_than_was_accepted(server_kind: str) -> None:
    done = count(server_kind)
    assert done.returncode == 0, done.stderr


def test_a_number_that_is_exceeded_fails_and_says_how_to_accept_it(server_kind: str, tmp_path: Path) -> None:
    file = tmp_path / "accepted.json"
    accepted = json.loads((BENCHMARKS / "counting.json").read_text())
    counts = accepted[server_kind]["per job"]
    wanted = counts["claim, 100 a call"]["in scripts"]
    counts["claim, 100 a call"]["in scripts"] = wanted - 0.01
    del counts["a waiting job"]
    file.write_text(json.dumps(accepted))
    before = file.read_text()

    done = count(server_kind, "--accepted", str(file))

    assert done.returncode == 1
    assert f"claim, 100 a call: in scripts is {wanted:g}, and {wanted - 0.01:g} is accepted" in done.stderr
    assert "a waiting job: memory" in done.stderr
    assert "none is accepted" in done.stderr
    assert "counting.py --accept" in done.stderr
    assert file.read_text() == before


def test_what_is_accepted_passes(server_kind: str, tmp_path: Path) -> None:
    file = tmp_path / "accepted.json"
    assert count(server_kind, "--accepted", str(file), "--accept").returncode == 0
    assert set(json.loads(file.read_text())) == {server_kind}
    again = count(server_kind, "--accepted", str(file))
    assert again.returncode == 0, again.stderr


def test_a_waiting_job_takes_at_most_400_bytes() -> None:
    accepted = json.loads((BENCHMARKS / "counting.json").read_text())
    for kind in ("valkey", "redis"):
        assert accepted[kind]["per job"]["a waiting job"]["memory"] <= 400
