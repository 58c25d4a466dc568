"""Workflows: calls of tasks, some of which wait for others, that are enqueued together and looked at as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, aclosing, closing, contextmanager, suppress
from functools import cached_property
from typing import Any

import msgspec

from . import keys
from .claimed import Source
from .connection import evalsha
from .enqueueing import Observers
from .errors import JobCancelled, JobFailed, JobNotFound, RedisQError, WaitTimeout, WorkflowNotFound
from .forward import drain, entry
from .graph import Record, WorkflowNode, graph
from .ids import new_id
from .job import UNFINISHED, Job, as_hash
from .observed import telling
from .plan import Plan, Planned, Shape, Steps
from .producer import described, spec
from .queue import Queue
from .scripts import CANCEL, REVIVE, Script
from .settings import Settings
from .waiting import as_completed, as_completed_async

#: Jobs in one look, or in one round trip of a cancel or retry.
_PAGE = 500
#: Seconds after which a workflow is looked at again by who waits for it; and where there is no job to wait for yet.
_LONGEST_WAIT = 5.0
_PAUSE = 0.05


class Flow(Steps):
    """Calls in an order, before they are enqueued: see redisq.chain and redisq.group."""

    def enqueue(self, workflow_id: str | None = None) -> Workflow:
        """Enqueue all of it, or nothing. Jobs of other queues than the first job's are sent on from there.

        `workflow_id`: an id that the caller makes, as a job's; if there is such a workflow in the first job's queue,
        that is answered, and nothing made. PayloadTooLarge, InvalidOption, InvalidName, and what Task.enqueue raises,
        with an id to be passed here.
        """
        flow_id = new_id() if workflow_id is None else keys.check_job_id(workflow_id)
        plan = Plan(self, flow_id)
        settings, full_id = plan.home.settings, f"{plan.home.name}.{flow_id}"
        ids = [planned.id for planned in plan.jobs]
        record = Record(ids, plan.shape, sorted(plan.spare), plan.ties, plan.modes)
        if settings.observers is None:
            _send(plan, flow_id, record)
        else:
            with ExitStack() as stack:
                plan.jobs = [stack.enter_context(_told(plan, each, settings.observers)) for each in plan.jobs]
                _send(plan, flow_id, record)
        workflow = Workflow(settings, full_id, record) if plan.made else find(settings, full_id)
        if plan.made and settings.eager is not None:
            settings.eager(workflow.jobs)
            return workflow.refresh()
        return workflow

    async def enqueue_async(self, workflow_id: str | None = None) -> Workflow:
        """As `enqueue`, of a coroutine."""
        return await asyncio.to_thread(self.enqueue, workflow_id)


def chain(*steps: Any, on_success: Any = None, on_failure: Any = None) -> Flow:
    """Steps one after the other: each waits until the one before has succeeded. A step is `task.call(...)`, a chain or
    a group; `on_success` is a step that comes when all have succeeded, `on_failure` one that comes when a job of them
    is a dead letter for the first time. InvalidOption.
    """
    return Flow(steps, True, on_success, on_failure)


def group(*steps: Any, on_success: Any = None, on_failure: Any = None) -> Flow:
    """Steps side by side. What comes after it, in a chain or as `on_success`, waits until all have succeeded; the rest
    as for `chain`.
    """
    return Flow(steps, False, on_success, on_failure)


class Workflow:
    """A workflow as it was when it was looked at, which is at the first question; `refresh()` looks again.

    `id` is known to `app.workflow(id)`: while a job of it has not ended, then as long as results are kept, a day at
    least.
    """

    def __init__(self, settings: Settings, workflow_id: str, record: Record) -> None:
        self.id = workflow_id
        self._settings = settings
        self._record = record

    def __repr__(self) -> str:
        return f"<Workflow {self.id} of {len(self._record.jobs)} jobs>"

    @property
    def job_ids(self) -> list[str]:
        """The full ids of its jobs, parents before those that wait for them."""
        return list(self._record.jobs)

    @property
    def jobs(self) -> list[Job]:
        """Its jobs that are (still, or already) there."""
        return [job for job in self._jobs if job is not None]

    @property
    def graph(self) -> list[WorkflowNode]:
        """All its jobs with their states, and what each waits for, parents first; also once they have ended."""
        return graph(self._record, self._jobs)

    @cached_property
    def status(self) -> str:
        """running: something of it runs, or will. succeeded: all that was needed has. failed: a job is a dead letter,
        and nothing runs; what waits for it goes on when it is retried. cancelled: all has ended, not all well.
        """
        jobs = self.jobs
        if any(job.status in UNFINISHED for job in jobs) and self._active:
            return "running"
        if any(job.status == "failed" for job in jobs):
            return "failed"
        if any(job.status in UNFINISHED for job in jobs) or self._on_the_way():
            return "running"
        spare = {self._record.jobs[number] for number in self._record.spare}
        return "cancelled" if any(job.status == "cancelled" and job.id not in spare for job in jobs) else "succeeded"

    @property
    def result(self) -> Any:
        """Of a chain its last step's, of a group a list; None unless it has succeeded."""
        return self._result(self._record.shape) if self.status == "succeeded" else None

    def refresh(self) -> Workflow:
        """The workflow as it is now."""
        return Workflow(self._settings, self.id, self._record)

    def wait(self, timeout: float | None = None) -> Any:
        """The result, once it has succeeded; JobFailed once nothing can go on without a retry, JobCancelled.
        WaitTimeout after `timeout` seconds (None: no limit).
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while (now := self._looked_at()).status == "running":
            jobs, remaining = now._next(deadline)
            if not jobs:
                time.sleep(_PAUSE)
            with suppress(JobNotFound, WaitTimeout), closing(as_completed(jobs, remaining)) as ended:
                for job in ended:
                    if job.status != "succeeded":
                        break
        return now._outcome()

    async def wait_async(self, timeout: float | None = None) -> Any:
        """As `wait`, of a coroutine."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while (now := await asyncio.to_thread(self._looked_at)).status == "running":
            jobs, remaining = now._next(deadline)
            if not jobs:
                await asyncio.sleep(_PAUSE)
            with suppress(JobNotFound, WaitTimeout):
                async with aclosing(as_completed_async(jobs, remaining)) as ended:
                    async for job in ended:
                        if job.status != "succeeded":
                            break
        return now._outcome()

    def cancel(self) -> Workflow:
        """End what waits, and ask what runs to stop. Answers the workflow as it then is."""
        _send_on(self._settings, self._by_queue())
        self._act(CANCEL, reversed(self._record.jobs), *self._settings.retention.ended_args)
        return self.refresh()

    def retry(self) -> Workflow:
        """Queue its dead letters again; what waits for them goes on when they succeed. Answers as `cancel`."""
        self._act(REVIVE, [job.id for job in self.refresh().jobs if job.status == "failed"])
        return self.refresh()

    @cached_property
    def _jobs(self) -> list[Job | None]:
        found: dict[str, Job | None] = {}
        for name, local_ids in self._by_queue().items():
            queue = Queue(self._settings, name)
            for start in range(0, len(local_ids), _PAGE):
                page = local_ids[start : start + _PAGE]
                found |= {f"{name}.{local_id}": job for local_id, job in zip(page, queue.find(page), strict=True)}
        return [found[full_id] for full_id in self._record.jobs]

    @cached_property
    def _active(self) -> list[Job]:
        """Those that run, or will without the end of another."""
        waiting = self._waiting()
        return [job for job in self.jobs if job.status in UNFINISHED and job.id not in waiting]

    def _waiting(self) -> set[str]:
        """Full ids of those that wait for others."""
        scheduled = [job.id for job in self.jobs if job.status == "scheduled"]
        left: set[str] = set()
        for name, local_ids in _by_queue(scheduled).items():
            base = keys.queue_base(self._settings.namespace, name)
            commands = [("HGET", f"{base}{keys.NAMES['after']}{local_id}", "left") for local_id in local_ids]
            answers = self._settings.server.shard(base).ask(commands, self._settings.patience)
            left |= {f"{name}.{i}" for i, n in zip(local_ids, answers, strict=True) if n is not None and int(n)}
        return left

    def _on_the_way(self) -> bool:
        """Whether a job of it has not come to its queue yet."""
        missing = [i for i, job in zip(self._record.jobs, self._jobs, strict=True) if job is None]
        if not missing:
            return False
        base = keys.queue_base(self._settings.namespace, keys.FullId.parse(self.id).queue)
        command = ("LRANGE", base + keys.NAMES["forward"], 0, -1)
        forwarded = b"\n".join(self._settings.server.shard(base).ask([command], self._settings.patience)[0])
        return any(b'"%s"' % keys.FullId.parse(full_id).local.encode() in forwarded for full_id in missing)

    def _next(self, deadline: float) -> tuple[list[Job], float]:
        """For which jobs to wait, and how long, before it is looked at again; not for ever, since what is on its way to
        another queue is not there to be waited for. WaitTimeout.
        """
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise WaitTimeout(f"workflow {self.id} is still running")
        return self._active or [job for job in self.jobs if job.status in UNFINISHED], min(remaining, _LONGEST_WAIT)

    def _looked_at(self) -> Workflow:
        """As it now is, all of it read; which blocks."""
        now = self.refresh()
        _ = now.status
        return now

    def _outcome(self) -> Any:
        if self.status == "succeeded":
            return self.result
        kind, status = (JobFailed, "failed") if self.status == "failed" else (JobCancelled, "cancelled")
        job = next(job for job in self.jobs if job.status == status)
        raise kind(f"{job.id}: {job.error}")

    def _result(self, shape: Shape) -> Any:
        if isinstance(shape, list):
            return [self._result(part) for part in shape]
        job = self._jobs[shape]
        return None if job is None else job.result

    def _by_queue(self) -> dict[str, list[str]]:
        return _by_queue(self._record.jobs)

    def _act(self, script: Script, full_ids: Iterable[str], *args: Any) -> None:
        for name, local_ids in _by_queue(full_ids).items():
            base = keys.queue_base(self._settings.namespace, name)
            for start in range(0, len(local_ids), _PAGE):
                commands = [evalsha(script, [base], (i, *args)) for i in local_ids[start : start + _PAGE]]
                self._settings.server.shard(base).ask(commands, self._settings.patience)


def find(settings: Settings, workflow_id: str) -> Workflow:
    """The workflow with this full id; WorkflowNotFound, InvalidName."""
    queue, local_id = keys.FullId.parse(workflow_id)
    base = keys.queue_base(settings.namespace, queue)
    data = settings.server.shard(base).ask([("GET", base + keys.NAMES["flow"] + local_id)], settings.patience)[0]
    if data is None:
        raise WorkflowNotFound(f"no workflow {workflow_id}")
    return Workflow(settings, workflow_id, msgspec.json.decode(data, type=Record))


def _send(plan: Plan, flow_id: str, record: Record) -> None:
    """Enqueue it, and note whether that made it."""
    home, settings = plan.home, plan.home.settings
    forwarded = [
        entry(queue.name, spec(job, described(settings.signer, queue.name, job))) for queue, job in plan.elsewhere
    ]
    plan.made = home.enqueue_flow(flow_id, msgspec.json.encode(record), plan.here, forwarded)
    if forwarded:
        _send_on(settings, dict.fromkeys([home.name, *(planned.queue.name for planned in plan.elsewhere)]))


@contextmanager
def _told(plan: Plan, planned: Planned, observers: Observers) -> Iterator[Planned]:
    """Middlewares are told of this job, before the block and after it; it is as they leave it."""
    queue, job = planned
    with telling(queue.settings, observers, queue.name, [job]) as outgoing:
        (changed,) = outgoing.jobs()
        yield Planned(queue, changed)
        fields = as_hash(described(None, queue.name, changed))
        outgoing.note([Job(queue, queue.name, job.local_id, fields, queue.settings.codec, plan.made)])


def _by_queue(full_ids: Iterable[str]) -> dict[str, list[str]]:
    """Local ids by queue, in order."""
    by_queue: dict[str, list[str]] = {}
    for full_id in full_ids:
        queue, local_id = keys.FullId.parse(full_id)
        by_queue.setdefault(queue, []).append(local_id)
    return by_queue


def _send_on(settings: Settings, queues: Iterable[str]) -> None:
    """What is on its way from these queues. Where that fails, their workers do it."""
    for name in queues:
        with suppress(RedisQError):
            while drain(settings, Source(name, keys.queue_base(settings.namespace, name))):
                pass
