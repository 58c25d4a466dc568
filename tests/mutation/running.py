"""Runs a check against a copy of the library that a mutation has broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .mutations import CHECKS, Edit, Mutation

ROOT = Path(__file__).parents[2]
#: Sequences of steps that the model takes to see a mutation.
EXAMPLES = 100
LONGEST = 300.0

_MAIN = """
import sys, pathlib, redisq
assert pathlib.Path(redisq.__file__).is_relative_to(pathlib.Path.cwd()), redisq.__file__
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


class Verdict(NamedTuple):
    """Whether a check turned red, and what it wrote."""

    red: bool
    output: str

    @property
    def reason(self) -> str:
        """The first error that pytest shows, in one line."""
        lines = [line[4:].strip() for line in self.output.splitlines() if line.startswith("E   ")]
        return lines[0] if lines else ""


def copy_to(directory: Path) -> Path:
    """The library, and the tests that are run against it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for folder in ("redisq", "tests"):
        shutil.copytree(ROOT / folder, directory / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def apply(mutation: Mutation, directory: Path) -> None:
    """LookupError if what is to be replaced does not stand there exactly once."""
    for edit in mutation.edits:
        path = directory / "redisq" / edit.file
        path.write_text(replaced(edit, path.read_text()))


def replaced(edit: Edit, text: str) -> str:
    if text.count(edit.old) != 1:
        raise LookupError(f"{edit.file}: to be found once, and is there {text.count(edit.old)} times: {edit.old!r}")
    return text.replace(edit.old, edit.new)


def run(check: str, directory: Path, examples: int = EXAMPLES) -> Verdict:
    """Run a check there, on one server, up to its first failure. RuntimeError if it could not be run."""
    environ = os.environ | {
        "PYTHONPATH": str(directory),
        "REDISQ_MODEL_EXAMPLES": str(examples),
        "REDISQ_TEST_SERVERS": "valkey",
    }
    environ.pop("REDISQ_MODEL_SHRINK", None)
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, "-x", "-q", "-p", "no:cacheprovider", CHECKS[check]],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode not in (0, 1) or "Error compiling script" in output or "ERR Error" in output:
        raise RuntimeError(f"{check} could not be run:\n{output[-4000:]}")
    return Verdict(done.returncode == 1, output)
