"""What a running job can ask for: `current_job()`."""

from __future__ import annotations

from contextvars import ContextVar, Token
from functools import cached_property
from typing import Any

from . import keys
from .claimed import Claimed
from .codec import MAX_PAYLOAD
from .connection import evalsha
from .errors import InvalidOption, LeaseLost, NoCurrentJob, PayloadTooLarge
from .forward import entry
from .job import Job, Parent, as_hash
from .observed import telling
from .options import NO_OPTIONS
from .parents import parents
from .producer import NewJob, described, spec
from .queue import Queue
from .scribe import Key, Pages
from .scripts import PROGRESS
from .settings import Settings

#: The most that one job may enqueue with its own success: calls, and bytes of their arguments.
MOST_FOLLOW_UPS = 1000
MOST_BYTES = MAX_PAYLOAD

_current: ContextVar[CurrentJob | None] = ContextVar("redisq_current_job", default=None)


class CurrentJob:
    """The job that runs here. `token` grows with every delivery of the job: store it beside external effects, and
    refuse a lower one.
    """

    def __init__(
        self, settings: Settings, worker: str, claimed: Claimed, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._claimed = claimed
        self._forward: list[bytes] = []
        self._put: list[Any] = []
        self._count = 0
        self._bytes = 0
        self._pages: Pages | None = None
        self.args = args
        self.kwargs = kwargs

    @property
    def id(self) -> str:
        return self._claimed.full_id

    @property
    def queue(self) -> str:
        return self._claimed.source.name

    @property
    def task(self) -> str:
        return self._claimed.task_name

    @property
    def attempt(self) -> int:
        """1 on the first run; crashes and releases do not raise it."""
        return self._claimed.attempt

    @property
    def token(self) -> int:
        return self._claimed.token

    @cached_property
    def headers(self) -> dict[str, str]:
        """Texts by name that its call, or a middleware, gave it to carry; the same in each attempt."""
        return self._claimed.headers

    def parents(self) -> list[Parent]:
        """The jobs for which it waited, and how they ended, in the order in which it named them. A round trip.
        JobNotFound if a result was too large to be copied, and is no longer kept.
        """
        return parents(self._settings, self.queue, self._claimed.id.decode())

    def results(self) -> list[Any]:
        """What the jobs returned for which it waited, in the order in which it named them; None of one that did not
        succeed. See `parents`.
        """
        return [parent.result for parent in self.parents()]

    def set_progress(self, done: int, total: int) -> None:
        """Show how far the job has come. LeaseLost if it is no longer this worker's."""
        if not (isinstance(done, int) and isinstance(total, int) and done >= 0 and total >= 0):
            raise InvalidOption(f"progress: two whole numbers from 0 on, not {done!r} of {total!r}")
        args = (self._claimed.id, self._worker, self._claimed.delivery, f"{done}/{total}")
        if not self._settings.server.call(
            [evalsha(PROGRESS, [self._claimed.source.base], args)], self._settings.patience
        )[0]:
            raise LeaseLost(f"no longer ours: {self.id}")

    def log(self, text: str) -> None:
        """Add a line to the job's log, which `job.logs()` reads. It costs no round trip: it is there a moment later,
        with others; one of a job that is no longer this worker's is not added. The newest hundred stay, each cut at
        1 KiB, or as Retention says.
        """
        if not isinstance(text, str):
            raise InvalidOption(f"log: a text, not {text!r:.80}")
        if self._pages is None:
            kept, c = self._settings.retention, self._claimed
            if kept.log_lines < 1:
                return
            key = Key(c.source.base, c.id, c.delivery)
            limits = (kept.log_lines, kept.log_line_bytes)
            self._pages = self._settings.scribe.open(self._settings.server, key, self._worker, self.attempt, *limits)
        self._pages.add(text)
        self._settings.scribe.written()

    def enqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> Job:
        """Enqueue a call with this job's own success, or not at all. `task`: a task (with options), or a name for this
        job's queue.

        In another queue it comes to be a little later, at least once, by its id. Until then it is not to be found.
        PayloadTooLarge for more than a thousand, or than 4 MiB of arguments in all: have one of them enqueue the rest.
        """
        name, queue, options = task, self.queue, NO_OPTIONS
        if not isinstance(task, str):
            name, queue, options = task.target()
        keys.check_task(name)
        new = NewJob.make(name, self._settings.codec.encode([args, kwargs]), options).under_policy(args, kwargs)
        if new.unique is not None:
            raise InvalidOption("unique: not of a call that is enqueued with another job's success")
        observers = self._settings.observers
        if observers is None:
            return self._note(queue, new)
        with telling(self._settings, observers, queue, [new]) as outgoing:
            return outgoing.note([self._note(queue, new) for new in outgoing.jobs()])[0]

    def _note(self, queue: str, new: NewJob) -> Job:
        self._count += 1
        self._bytes += len(new.body)
        if self._count > MOST_FOLLOW_UPS or self._bytes > MOST_BYTES:
            raise PayloadTooLarge(f"one job may enqueue {MOST_FOLLOW_UPS} calls and {MOST_BYTES} bytes of arguments")
        fields = described(self._settings.signer, queue, new)
        if queue == self.queue:
            self._put += spec(new, fields)
        else:
            self._forward.append(entry(queue, spec(new, fields)))
        home = Queue(self._settings, queue)
        return Job(home, queue, new.local_id, as_hash(fields), self._settings.codec, created=True)

    def follow(self) -> list[Any]:
        """What was enqueued here, as settle.lua reads it."""
        return [len(self._forward), *self._forward, *self._put] if self._forward or self._put else []


def current_job() -> CurrentJob:
    """The job that this code runs in; NoCurrentJob outside of one. A task with `batch` is given its jobs instead."""
    job = _current.get()
    if job is None:
        raise NoCurrentJob("not inside of a running job")
    return job


def running() -> CurrentJob | None:
    """As `current_job`, None outside of one."""
    return _current.get()


def enter(job: CurrentJob) -> Token[CurrentJob | None]:
    """From here on, this is the job that runs here; until `leave` with what this answers."""
    return _current.set(job)


def leave(token: Token[CurrentJob | None]) -> None:
    _current.reset(token)
