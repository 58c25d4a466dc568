"""Each mutation turns a check red. A sample is run; all of them with REDISQ_MUTATIONS=all, or by bin/mutate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .mutations import CHECKS, MUTATIONS, Mutation
from .running import ROOT, apply, copy_to, replaced, run

SAMPLE = MUTATIONS if os.environ.get("REDISQ_MUTATIONS") == "all" else MUTATIONS[::6]
TABLE = (ROOT / "docs" / "mutations.rst").read_text()


@pytest.mark.parametrize("mutation", SAMPLE, ids=lambda mutation: mutation.name)
def test_a_mutation_is_seen(mutation: Mutation, tmp_path: Path) -> None:
    apply(mutation, copy_to(tmp_path))
    verdict = run(mutation.seen_by[0], tmp_path)
    assert verdict.red, f"{mutation.seen_by[0]} sees nothing wrong:\n{verdict.output}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_a_mutation_replaces_is_still_there_and_the_docs_tell_who_sees_it(mutation: Mutation) -> None:
    for edit in mutation.edits:
        assert replaced(edit, (ROOT / "redisq" / edit.file).read_text())
    assert row(mutation) in TABLE


def row(mutation: Mutation) -> str:
    """Its line in docs/mutations.rst."""
    seen = "  ".join(("yes" if check in mutation.seen_by else "").ljust(len(check)) for check in CHECKS)
    return f"{mutation.name.ljust(60)}  {seen}".rstrip() + "\n"
