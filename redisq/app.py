"""RedisQ: an application's tasks by name, and its queues by name, on one server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, overload

from . import keys, orders
from .batching import Batching
from .codec import JSON, Codec
from .connection import PATIENCE
from .consumer import Consumers
from .consuming import ClaimableQueue
from .cron import CronEntry, Crons, Definition, Target, Timetable
from .current import CurrentJob
from .errors import InvalidOption, TaskNameTaken
from .failing import Rules
from .feed import Feed
from .job import Job
from .middleware import Middleware, Middlewares
from .options import DURABILITIES, NO_OPTIONS, CallOptions, RunOptions
from .policy import OPTIONS as POLICY
from .policy import Policy
from .queue import queue_names
from .schedule import Cron, Every
from .serverinfo import ServerInfo, server_info
from .settings import Retention, Settings
from .signing import signer
from .survey import Survey
from .task import Task
from .times import is_number
from .topology import open_server
from .workflow import Workflow
from .workflow import find as find_workflow

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Target)

DEFAULT_URL = "redis://127.0.0.1:6379/0"


class RedisQ:
    """One app: where its queues are, and which tasks it has. Making it opens no connection; threads and forks may share
    it.

    `url`: redis://, rediss://, unix://, embedded:///directory, redis+sentinel://host:port,host:port/service[/db] or
    redis+cluster://host:port,host:port (see urls.py); None for $REDISQ_URL, then redis://127.0.0.1:6379/0. `lease`:
    seconds after which the jobs of a worker that is gone run again. `patience`: seconds for which a call is sent again
    while the server does not answer. `include`: names of modules with tasks of this app, which `load_app`, and so a
    worker, imports once the app is there; so these modules can import the app. `middleware`: the first is the
    outermost. `signing_keys`: of 32 bytes at least; jobs are signed with the first, and only those run that one of them
    has signed (None: $REDISQ_SIGNING_KEYS, by commas; without any, nothing is signed or asked for). InvalidURL,
    InvalidOption, InvalidName.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        lease: float = 30.0,
        codec: Codec | None = None,
        durability: str | None = None,
        namespace: str = "redisq",
        patience: float = PATIENCE,
        retention: Retention | None = None,
        include: Sequence[str] = (),
        signing_keys: Sequence[str | bytes] | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        if durability not in DURABILITIES:
            raise InvalidOption(f"durability: {', '.join(map(repr, DURABILITIES))}, not {durability!r}")
        if not (is_number(lease) and 0.1 <= lease <= 86400):
            raise InvalidOption(f"lease: seconds from 0.1 to 86400, not {lease!r}")
        if not (is_number(patience) and patience >= 0):
            raise InvalidOption(f"patience: seconds from 0 on, not {patience!r}")
        if isinstance(include, str) or not all(isinstance(name, str) and name for name in include):
            raise InvalidOption(f"include: a list of modules' names, not {include!r:.200}")
        url = url or os.environ.get("REDISQ_URL") or DEFAULT_URL
        keys.check_name(namespace, "namespace")
        self.middlewares = Middlewares(middleware)
        self.settings = Settings(
            open_server(url),
            namespace,
            codec or JSON(),
            lease,
            patience,
            retention or Retention(),
            durability,
            signer(namespace, signing_keys, os.environ.get("REDISQ_SIGNING_KEYS")),
            observers=self.middlewares.observers,
        )
        self.include = tuple(include)
        self._tasks: dict[str, Task[Any, Any]] = {}
        self._consumers = Consumers(self.settings)
        self._queues: dict[str, ClaimableQueue] = {}
        self._feeds: dict[str, Feed] = {}
        self._crons = Crons(self.settings.codec, self.timetable)

    def __repr__(self) -> str:
        return f"<RedisQ {self.settings.server!r} {len(self._tasks)} tasks>"

    @property
    def tasks(self) -> Mapping[str, Task[Any, Any]]:
        """The registered tasks by name."""
        return MappingProxyType(self._tasks)

    @overload
    def task(self, name: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, name: str | None = None, *, queue: str = "default", batch: int, linger: float = 0.0, **options: Any
    ) -> Callable[[Callable[[list[CurrentJob]], R]], Task[..., R]]: ...
    @overload
    def task(
        self, name: str | None = None, *, queue: str = "default", **options: Any
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def task(self, name: Any = None, *, queue: str = "default", **options: Any) -> Any:
        """Register a function, plain or async, as a task: `@app.task(queue="low", max_attempts=5, timeout=60.0,
        result_ttl=3600.0)`. Only a task can have `retry_on`, `give_up_on` and a function as `backoff`: see failing.py.
        `expires` and `max_length` are for calls that are made through it. `batch=100, linger=0.05`: the function takes
        a list of up to so many jobs, for which a worker waits so many seconds: see docs/guides/batches.rst.

        `name`: module.qualname when None, under the name by which a worker imports the module, also where it is run as
        a program. TaskNameTaken if another function has it, InvalidName, InvalidOption.
        """
        keys.check_name(queue)
        rules, batching = Rules.take_from(options), Batching.take_from(options)
        policy = {name: options.pop(name) for name in tuple(options) if name in POLICY}
        calls = CallOptions(policy=Policy().with_(policy)) if policy else NO_OPTIONS
        of_calls = {name: options.pop(name) for name in ("expires", "max_length") if name in options}
        if of_calls:
            calls = calls.with_(**of_calls)
        unknown = options.keys() - set(RunOptions.__struct_fields__)
        if unknown:
            raise InvalidOption(f"unknown option: {', '.join(sorted(unknown))}")
        run = RunOptions(**options).check()

        def register(func: Callable[P, R]) -> Task[P, R]:
            full_name = name if isinstance(name, str) else f"{_module_name(func)}.{func.__qualname__}"
            if keys.check_task(full_name) in self._tasks:
                raise TaskNameTaken(f"a task {full_name!r} is registered already")
            task = self._tasks[full_name] = Task(func, full_name, queue, run, self.queue, calls, rules, batching)
            return task

        return register(name) if callable(name) else register

    @overload
    def cron(self, expression: str, task: None = None, *, tz: str = "UTC", **options: Any) -> Callable[[T], T]: ...
    @overload
    def cron(self, expression: str, task: Target, *, tz: str = "UTC", **options: Any) -> CronEntry: ...
    def cron(self, expression: str, task: Any = None, *, tz: str = "UTC", **options: Any) -> Any:
        """Have a task's jobs enqueued by the clock, each tick one: `app.cron("0 9 * * mon-fri", report,
        tz="Europe/Berlin")`, or `@app.cron(...)` above `@app.task`. See docs/guides/cron.rst.

        `options`: name (default: the task's), args, kwargs; jitter, seconds; catch_up, what becomes of ticks that pass
        while no worker runs: "none", "last" (one job for the latest), "all"; queue and others of a call. InvalidOption.
        """
        return self._crons.register(Cron.parse(expression, tz), task, **options)

    @overload
    def every(self, interval: float | timedelta, task: None = None, **options: Any) -> Callable[[T], T]: ...
    @overload
    def every(self, interval: float | timedelta, task: Target, **options: Any) -> CronEntry: ...
    def every(self, interval: float | timedelta, task: Any = None, **options: Any) -> Any:
        """As `cron`, every so many seconds, counted from 1970: `every(3600.0, …)` ticks at the full hours of UTC."""
        return self._crons.register(Every.parse(interval), task, **options)

    @property
    def crons(self) -> Mapping[str, Definition]:
        """The entries of the timetable by name, as the code has them."""
        return MappingProxyType(self._crons.definitions)

    def cron_entries(self) -> list[CronEntry]:
        """The entries of the timetable, and what became of them; a round trip per queue."""
        return self._crons.look()

    def timetable(self, queue: str) -> Timetable:
        """What Redis has of the entries of this queue, also of those that another app's code has."""
        return Timetable(self.settings, self.queue(queue))

    def queue(self, name: str) -> ClaimableQueue:
        """The queue of this name; InvalidName."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = ClaimableQueue(self.settings, self._consumers, name)
        return queue

    def queue_names(self) -> set[str]:
        """Of all queues into which something was ever enqueued."""
        return queue_names(self.settings)

    def server_info(self) -> ServerInfo:
        """What the server is, and how safe jobs are with it. ServerUnavailable, ServerRefused."""
        return server_info(self.settings)

    def survey(self) -> Survey:
        """A new observer of its queues and workers, which tells rates from its second look on."""
        return Survey(self.settings)

    def stop_worker(self, worker: str, queues: Sequence[str] = ()) -> None:
        """Have a worker process finish what it runs, and end: its supervisor starts no other, and ends with the last.

        `worker`: its name, and `queues`: some of its queues, as WorkerInfo has them; without, it is looked for in all.
        Comes back when the order is left, not when it is carried out. WorkerNotFound.
        """
        orders.give(self.settings, queues or self.queue_names(), worker, orders.STOP)

    def recycle_worker(self, worker: str, queues: Sequence[str] = ()) -> None:
        """As `stop_worker`, but another one starts in its place first."""
        orders.give(self.settings, queues or self.queue_names(), worker, orders.RECYCLE)

    def feed(self, name: str) -> Feed:
        """The feed of this name; InvalidName."""
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = Feed(self.settings, self._consumers, name)
        return feed

    def job(self, job_id: str) -> Job:
        """The job with this full id, `queue.id`; JobNotFound, InvalidName."""
        queue, local_id = keys.FullId.parse(job_id)
        return self.queue(queue).fetch(local_id)

    async def job_async(self, job_id: str) -> Job:
        """As `job`, of a coroutine."""
        queue, local_id = keys.FullId.parse(job_id)
        return await self.queue(queue).fetch_async(local_id)

    def workflow(self, workflow_id: str) -> Workflow:
        """The workflow with this id, as `Workflow.id` has it; WorkflowNotFound, InvalidName."""
        return find_workflow(self.settings, workflow_id)

    def find_jobs(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs with these full ids, in order, None for one that is not there; a round trip per queue."""
        full_ids = [keys.FullId.parse(job_id) for job_id in job_ids]
        found: dict[keys.FullId, Job | None] = {}
        for name in dict.fromkeys(full_id.queue for full_id in full_ids):
            mine = [full_id for full_id in full_ids if full_id.queue == name]
            found |= zip(mine, self.queue(name).find([full_id.local for full_id in mine]), strict=True)
        return [found[full_id] for full_id in full_ids]

    def replace(self, url: str | None = None, patience: float | None = None, lease: float | None = None) -> RedisQ:
        """The same tasks with other settings."""
        mine = self.settings
        other = RedisQ(
            url or mine.server.url,
            lease=mine.lease if lease is None else lease,
            codec=mine.codec,
            durability=mine.durability,
            namespace=mine.namespace,
            patience=mine.patience if patience is None else patience,
            retention=mine.retention,
            include=self.include,
            signing_keys=mine.signer.keys if mine.signer else (),
            middleware=self.middlewares.all,
        )
        for task in self._tasks.values():
            other._tasks[task.name] = task.moved(other.queue)
        other._crons.definitions.update(self._crons.definitions)
        return other

    def move_to(self, url: str) -> None:
        """Have this app use another server from now on, and all that came from it: its tasks, queues, feeds and jobs.
        For who knows the URL later than the app's module is imported, and for tests. Not while jobs are claimed or
        enqueued. InvalidURL.
        """
        server = open_server(url)
        self.close()
        self.settings.move_to(server)

    def close(self) -> None:
        """Stop renewing leases and close idle connections. Open deliveries are given back when their lease ends."""
        self._consumers.close()
        self.settings.loops.close()
        self.settings.scribe.close()
        self.settings.server.close()


def _module_name(func: Callable[..., Any]) -> str:
    """The name by which others import the function's module. A module that is run (`python -m shop`, `python shop.py`)
    has another one meanwhile, which no worker would know.
    """
    name = func.__module__
    if name not in ("__main__", "__mp_main__"):  # the second: in a child that multiprocessing has spawned
        return name
    module = sys.modules[name]
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return Path(file).stem if file else name
