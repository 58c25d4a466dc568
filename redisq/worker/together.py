"""The jobs that one call of a task with `batch` runs: what is called with, and what became of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from .. import claimed as verdict
from .. import failing
from ..claimed import Claimed, Settlement
from ..current import CurrentJob
from ..options import RunOptions
from .runner import Runner

log = logging.getLogger(__name__)


class Together:
    """`limits`: of the call as a whole, the longest of those that its jobs have. `run` for the thread of the runner;
    otherwise `prepare`, a call with what that answers, and one of the others.
    """

    def __init__(self, runner: Runner, jobs: Sequence[Claimed]) -> None:
        self.jobs = jobs
        self.last = jobs[-1]
        self._runner = runner
        self._options = [runner.options(job) for job in jobs]
        timeouts = [options.timeout for options in self._options if options.timeout is not None]
        soft = [options.soft_timeout for options in self._options if options.soft_timeout is not None]
        self.limits = RunOptions(timeout=max(timeouts, default=None), soft_timeout=max(soft, default=None))
        self._calls: list[tuple[Claimed, RunOptions, CurrentJob]] = []
        self._unfit: list[Settlement] = []

    def run(self) -> list[Settlement]:
        """Whatever the function does, short of ending the process, comes back as settlements."""
        func, calls = self.prepare()
        try:
            result = self._runner.call(func, calls, self.limits) if func else None
        except BaseException as error:  # SystemExit, too, is the jobs' failure and not the worker's
            return self.stopped(None) if self._runner.asked else self.failed(error)
        return self.returned(result)

    def prepare(self) -> tuple[Callable[..., Any] | None, list[CurrentJob]]:
        """What to call and what with; None if there is nothing to call with."""
        func = None
        for job, options in zip(self.jobs, self._options, strict=True):
            call = self._runner.prepare(job)
            if isinstance(call, Settlement):
                self._unfit.append(call)
            else:
                current, func = call
                self._calls.append((job, options, current))
        return func, [current for _, _, current in self._calls]

    def returned(self, result: Any) -> list[Settlement]:
        """The function has returned this: None, or for each job a result, or the exception that it has failed with."""
        results = [None] * len(self._calls) if result is None else result
        if not isinstance(results, list | tuple) or len(results) != len(self._calls):
            what = f"{len(results)} results" if isinstance(results, list | tuple) else f"a {type(results).__name__}"
            error = f"a batch of {len(self._calls)} jobs has returned {what}, not None or as many results"
            log.warning("batch.misfit task=%s error=%s", self.last.task_name, error)
            return self._unfit + [verdict.dead(job, error) for job, _, _ in self._calls]
        settled = list(self._unfit)
        for (job, options, current), one in zip(self._calls, results, strict=True):
            failed = isinstance(one, BaseException)
            ended = self._runner.failed(job, one, options) if failed else None
            settled.append(ended or self._runner.succeeded(job, one, options, current))
        return settled

    def failed(self, error: BaseException) -> list[Settlement]:
        """The function has raised this: each job has failed, as by its own attempts."""
        count, name = len(self._calls), self.last.task_name
        log.info("batch.failed id=%s task=%s jobs=%d", self.last.full_id, name, count, exc_info=error)
        rules = self._runner.rules(self.last)
        return self._unfit + [failing.failed(job, error, options, rules=rules) for job, options, _ in self._calls]

    def stopped(self, limit: float | None) -> list[Settlement]:
        """The call was ended: because it ran longer than `limit` seconds, or, alone, because its job was cancelled."""
        if limit is None:
            return [verdict.cancelled(job) for job in self.jobs]
        return [verdict.late(job, limit, options) for job, options in zip(self.jobs, self._options, strict=True)]
