"""What is kept of a workflow, and its jobs with what each waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from .job import Job

_CONDITIONS = {"s": "after", "f": "after_failure", "e": "after_end"}


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A workflow as it is kept: full ids of its jobs; which of them have its result; which run only if others fail; and
    for which others each waits that waits for any (all by their numbers), with its mode if that is not `s`.
    """

    jobs: list[str]
    shape: Any
    spare: list[int]
    ties: dict[int, list[int]] = {}
    modes: dict[int, str] = {}


class WorkflowNode(NamedTuple):
    """A job of a workflow. `id`: its full id. `task` and `status`: None while it has not come to its queue yet, and
    once it is no longer kept. `parents`: full ids of the jobs of this workflow for which it waits. `condition`: how
    they must end, as the options of a call have it: after (well), after_failure, after_end; None if it waits for none.
    """

    id: str
    task: str | None
    status: str | None
    parents: tuple[str, ...]
    condition: str | None


def graph(record: Record, jobs: Sequence[Job | None]) -> list[WorkflowNode]:
    """The nodes, parents before those that wait for them. `jobs`: what is there of each, in the order of the record."""
    nodes = []
    for number, (full_id, job) in enumerate(zip(record.jobs, jobs, strict=True)):
        parents = tuple(record.jobs[parent] for parent in record.ties.get(number, ()))
        condition = _CONDITIONS[record.modes.get(number, "s")] if parents else None
        task, status = (None, None) if job is None else (job.task, job.status)
        nodes.append(WorkflowNode(full_id, task, status, parents, condition))
    return nodes
