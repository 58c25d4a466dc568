"""/admin/queues/{name}: one queue, its jobs by status, and what an operator can do with them."""

from typing import get_args

import falcon
import msgspec

import redisq

from ... import history
from ...database import Database
from ...history import Window
from ...problems import Problem
from ..guard import open_to
from ..site import Site
from ..tasks import preview
from . import filters
from .acting import Operator
from .overview import charts, window_of
from .watch import Watch

_PAGE = 50


class Queues:
    """/admin/queues/{name} and its /pause and /resume"""

    def __init__(self, site: Site, database: Database, app: redisq.RedisQ, watch: Watch) -> None:
        self._site = site
        self._database = database
        self._app = app
        self._watch = watch

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """A page of its jobs."""
        queue = queue_of(self._app, name)
        rows = {row.name: row for row in self._watch.queues()}
        if name not in rows:
            raise falcon.HTTPNotFound(description="There is no queue of that name.")
        status = request.get_param("status") or "queued"
        given = {field: request.get_param(field) or "" for field in filters.NAMES}
        found, error = redisq.JobPage[redisq.Job]([], None, 0), None
        try:
            found = queue.search(filters.read(status, given), request.get_param("cursor"), _PAGE)
        except (Problem, redisq.InvalidOption) as problem:
            error = problem.description if isinstance(problem, Problem) else f"{problem}"
        info = self._app.survey().queues([name])[0]  # what was just done is to be seen at once
        window = window_of(request)
        self._site.show(
            request, response, "admin-queue.html",
            row=rows[name], info=info, jobs=found.jobs, body=body, error=error, given=given, state=status,
            counts={one: getattr(info, one) for one in filters.COUNTED}, statuses=filters.STATUSES,
            acts=filters.ACTS.get(status, ()),
            cursor=request.get_param("cursor"), next_cursor=found.cursor, window=window, windows=get_args(Window),
            charts=charts(history.series(self._database, name, window), window),
        )  # fmt: skip

    on_head = on_get

    @open_to("operator")
    def on_post_pause(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Lets nothing be claimed; what runs goes on."""
        queue = queue_of(self._app, name)
        Operator(self._database, request).act("queue.pause", name, queue.pause)
        raise self._site.done(request, f"/admin/queues/{name}", "The queue is paused. What runs goes on.")

    @open_to("operator")
    def on_post_resume(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Undoes it."""
        queue = queue_of(self._app, name)
        Operator(self._database, request).act("queue.resume", name, queue.resume)
        raise self._site.done(request, f"/admin/queues/{name}", "The queue goes on.")


def queue_of(app: redisq.RedisQ, name: str) -> redisq.Queue:
    """The queue; raises the 404 for a name that can be none."""
    try:
        return app.queue(name)
    except redisq.InvalidName:
        raise falcon.HTTPNotFound(description="There is no queue of that name.") from None


def body(job: redisq.Job) -> str:
    """What a job was given, in one line."""
    return preview(as_json(job.payload if job.args is None else _call(job)))


def _call(job: redisq.Job) -> object:
    """Its arguments, as short as may be."""
    args, kwargs = job.args or [], job.kwargs or {}
    if not kwargs:
        return args[0] if len(args) == 1 else args
    return [*args, kwargs] if args else kwargs


def as_json(value: object) -> str:
    """A value that a job has, as JSON; what its codec alone can tell, as Python shows it."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        return msgspec.json.encode(repr(value)).decode()
