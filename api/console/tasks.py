"""My tasks: the list, one of them, and what its owner can do with it."""

from dataclasses import replace
from typing import Any, cast, get_args

import falcon
import msgspec

from .. import queries
from ..database import Database
from ..desk import Desk
from ..jobs import Jobs
from ..problems import Problem
from ..store import Filter, Status
from .guard import open_to
from .site import Site, attempt, user_of

_PAGE = 25
_FILTERS = ("status", "queue", "task", "text", "created_after", "created_before")
_LONG = 20_000  # characters of an input or a result that are shown


class Tasks:
    """/ for who is logged in, /tasks/{id} and its /cancel, /retry, /delete"""

    def __init__(self, site: Site, database: Database, desk: Desk, jobs: Jobs) -> None:
        self._site = site
        self._database = database
        self._desk = desk
        self._jobs = jobs

    def show_list(self, request: falcon.Request, response: falcon.Response, **known: Any) -> None:
        """My tasks, newest first."""
        error = None
        try:
            wanted = _wanted(request)
        except Problem as problem:
            wanted, error = Filter(), problem.description
        seen, cursor = self._desk.page(user_of(request), wanted, _PAGE)
        given = {name: request.get_param(name) or "" for name in _FILTERS}
        self._site.show(
            request, response, "tasks.html",
            tasks=seen, error=error, given=given, statuses=get_args(Status)[:-1] + get_args(get_args(Status)[-1]),
            cursor=request.get_param("cursor"), next_cursor=cursor, preview=preview, **known,
        )  # fmt: skip

    @open_to("user")
    def on_get_one(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """All about a task."""
        seen = self._desk.get(user_of(request), task_id)
        job, log = self._jobs.look(seen.task)
        task = seen.task
        again = {"task": task.task, "queue": task.queue, "input_param": msgspec.Raw(task.input_param.encode())}
        is_long = len(task.input_param) > _LONG
        self._site.show(
            request, response, "task.html",
            seen=seen, task=task, job=job, log=log, body=None if is_long else msgspec.json.encode(again).decode(),
            shown_input=pretty(task.input_param), shown_result=None if task.result is None else pretty(task.result),
        )  # fmt: skip

    on_head_one = on_get_one

    @open_to("user")
    def on_post_cancel(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Cancels it."""
        self._act(request, task_id, "cancel", "The task is cancelled, or stops as soon as it can.")

    @open_to("user")
    def on_post_retry(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Runs it again."""
        self._act(request, task_id, "retry", "The task runs again.")

    @open_to("user")
    def on_post_delete(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Deletes its record."""
        self._act(request, task_id, "forget", "The task is deleted.", "/")

    def _act(self, request: falcon.Request, task_id: str, act: str, text: str, then: str | None = None) -> None:
        error = attempt(lambda: getattr(self._desk, act)(user_of(request), task_id))
        page = f"/tasks/{task_id}"
        if error is not None:
            raise self._site.done(request, page, error, "bad")
        raise self._site.done(request, then or page, text)


def _wanted(request: falcon.Request) -> Filter:
    """Which tasks the query asks for: as the API does, and a text. A form sends also the fields that are empty."""
    params = cast("dict[str, Any]", request.params)
    for name in [name for name, value in params.items() if not value]:
        del params[name]
    found, _ = queries.wanted(request)
    text = (request.get_param("text") or "").replace("\0", "")  # which PostgreSQL would not even look for
    return replace(found, text=text or None)


def preview(text: str, length: int = 160) -> str:
    """The beginning of a JSON text in one line; of a string, what it says."""
    value: Any = msgspec.json.decode(text)
    shown = value if isinstance(value, str) else text
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def pretty(text: str) -> tuple[str, bool]:
    """A JSON text arranged in lines, and whether its end was left out."""
    shown = msgspec.json.format(text, indent=2)
    return shown[:_LONG], len(shown) > _LONG
