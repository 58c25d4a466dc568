"""Plan: what a workflow consists of before it is enqueued: its jobs, parents before those that wait for them. Nothing
here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, Union

import msgspec

from .call import Call
from .errors import InvalidOption, PayloadTooLarge
from .options import MOST_PARENTS, After
from .producer import NewJob
from .queue import Queue

#: The most jobs of one workflow; the most pairs of a job and one that waits for it; bytes of all arguments.
MOST_JOBS = 10_000
MOST_TIES = 20_000
MOST_BYTES = 4 * 1024 * 1024

#: Where in a workflow's list of jobs its results are: a number, or a list of such.
Shape: TypeAlias = Union[int, "list[Shape]"]


class Steps:
    """Steps one after the other, or side by side. A step is a call of a task, or such steps."""

    def __init__(self, steps: Sequence[Any], in_order: bool, on_success: Any, on_failure: Any) -> None:
        self.steps = steps
        self.in_order = in_order
        self.on_success = on_success
        self.on_failure = on_failure
        if not steps:
            raise InvalidOption("a chain or group of nothing")
        for step in (*steps, *(step for step in (on_success, on_failure) if step is not None)):
            if not isinstance(step, Call | Steps):
                raise InvalidOption(f"not a step: {step!r:.100} (task.call(...), a chain or a group)")


class Planned(NamedTuple):
    """A job of a workflow, and its queue."""

    queue: Queue
    job: NewJob

    @property
    def id(self) -> str:
        return f"{self.queue.name}.{self.job.local_id}"


class Plan:
    """The jobs of one workflow. `spare`: the numbers of those that run only if others fail. `ties`, `modes`: for which
    others each waits, and how they must end if not well. `home` is the queue whose
    script makes the workflow; `made`: whether it has. InvalidOption, NotSerializable, PayloadTooLarge.
    """

    def __init__(self, steps: Steps, flow_id: str) -> None:
        self.jobs: list[Planned] = []
        self.spare: set[int] = set()
        self.ties: dict[int, list[int]] = {}
        self.modes: dict[int, str] = {}
        self.made = False
        self._flow_id = flow_id
        self._pairs = self._bytes = 0
        self.shape = self._add(steps, (), "s")

    @property
    def home(self) -> Queue:
        return self.jobs[0].queue

    @property
    def here(self) -> list[NewJob]:
        """The jobs of the home queue."""
        return [job for queue, job in self.jobs if queue.name == self.home.name]

    @property
    def elsewhere(self) -> list[Planned]:
        return [planned for planned in self.jobs if planned.queue.name != self.home.name]

    def _add(self, step: Any, parents: Sequence[int], mode: str) -> Shape:
        if isinstance(step, Call):
            return self._add_call(step, parents, mode)
        first = len(self.jobs)
        shape: Shape
        if step.in_order:
            for each in step.steps:
                shape = self._add(each, parents, mode)
                parents, mode = list(numbers(shape)), "s"
        else:
            shape = [self._add(each, parents, mode) for each in step.steps]
        mine = range(first, len(self.jobs))
        if step.on_success is not None:
            self._add(step.on_success, list(numbers(shape)), "s")
        if step.on_failure is not None:
            before = len(self.jobs)
            self._add(step.on_failure, mine, "f")
            self.spare.update(range(before, len(self.jobs)))
        return shape

    def _add_call(self, call: Call, parents: Sequence[int], mode: str) -> int:
        ids = tuple(self.jobs[number].id for number in parents)
        options, own = call.options, call.options.after
        if own is not None and ids:
            if own.mode != "s" or mode != "s":
                raise InvalidOption("after_failure, after_end: not of a call that comes after another in a workflow")
            ids += own.parents
        self._pairs += len(ids)
        if ids:
            options = msgspec.structs.replace(options, after=After(ids, mode))
        settings = call.queue.settings
        if self.jobs and settings is not self.home.settings:
            raise InvalidOption("the calls of a workflow are of one app")
        new = NewJob.make(call.task, settings.codec.encode([call.args, call.kwargs]), options)
        home = self.home.name if self.jobs else call.queue.name
        new = new.under_policy(call.args, call.kwargs, self._flow_id if call.queue.name == home else "")
        if new.unique is not None:
            raise InvalidOption("unique: not of a job of a workflow")
        self._bytes += len(new.body)
        if len(self.jobs) >= MOST_JOBS or self._pairs > MOST_TIES or len(ids) > MOST_PARENTS:
            raise PayloadTooLarge(f"a workflow has {MOST_JOBS} jobs and {MOST_TIES} pairs that wait at most")
        if self._bytes > MOST_BYTES:
            raise PayloadTooLarge(f"a workflow has {MOST_BYTES} bytes of arguments at most")
        number = len(self.jobs)
        self.jobs.append(Planned(call.queue, new))
        if parents:
            self.ties[number] = list(parents)
            if mode != "s":
                self.modes[number] = mode
        return number


def numbers(shape: Shape) -> Iterator[int]:
    """All of a shape, in order."""
    if isinstance(shape, int):
        yield shape
    else:
        for part in shape:
            yield from numbers(part)
