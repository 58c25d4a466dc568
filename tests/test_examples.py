"""Every program in docs/examples does what the pages say: it runs, and prints what stands beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.waiting import wait_until

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"
#: `playground` is what the others import; `fencing` needs a database, and runs in tests/system/test_fencing.py.
NOT_PROGRAMS = {"playground", "fencing"}
PROGRAMS = sorted(path for path in EXAMPLES.glob("*.py") if path.stem not in NOT_PROGRAMS)
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("REDISQ_")}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_prints_what_the_page_says(program: Path, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environment = CLEAN | {"WORKER_LOG": str(log)}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    told = log.read_text() if log.exists() else ""
    assert done.returncode == 0, done.stderr + told
    assert done.stderr == ""
    assert done.stdout == program.with_suffix(".txt").read_text(), told


def test_every_example_and_its_output_stand_on_a_page() -> None:
    pages = "\n".join(path.read_text() for path in DOCS.rglob("*.rst"))
    files = {path.name for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.txt")]}
    assert files, "no examples"
    missing = {name for name in files if f"literalinclude:: /examples/{name}" not in pages}
    assert missing == set()


def test_no_output_is_without_its_program() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.txt")} == {path.stem for path in PROGRAMS}


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    page = (DOCS / "tutorial.rst").read_text()
    shop, slow = (textwrap.dedent(block) for block in re.findall(r":: python\n\n((?:    .*\n|\n)+)", page))
    above, last_lines = re.split(r"(?=^if __name__)", shop, flags=re.MULTILINE)
    (tmp_path / "shop.py").write_text(above + slow + last_lines)
    environment = CLEAN | {"REDISQ_URL": f"embedded://{tmp_path}/server"}

    workers = re.findall(r"^ +redisq-worker --app shop:app --queues (\S+)$", page, re.MULTILINE)
    assert len(workers) == 2
    for queues in workers:
        command = [sys.executable, "-m", "redisq.cli", "--app", "shop:app", "--queues", queues]
        log = tmp_path / f"{queues}.log"
        with log.open("w") as told, subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=told) as worker:
            try:
                wait_until(lambda log=log: "worker.started" in log.read_text(), timeout=60.0)
                ran = subprocess.run(
                    [sys.executable, "-m", "shop"], cwd=tmp_path, env=environment, capture_output=True, text=True
                )
            finally:
                worker.terminate()
        assert re.fullmatch(r"high\.[0-9a-z]{22} 5\n", ran.stdout), ran.stderr
        assert worker.returncode == 0
