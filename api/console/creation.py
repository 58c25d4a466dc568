"""/tasks/new: a form for the tasks on offer, made from the schema of each."""

from typing import Any

import falcon
import msgspec

from .. import forms, users
from ..bodies import Body
from ..database import Database
from ..offer import Offer, TaskType
from ..orders import Orders
from ..posting import Posting
from ..problems import Problem, bad
from . import schema
from .guard import open_to, text
from .schema import Input
from .site import Site, user_of

_MODES = ("one", "many", "json")


class Creation:
    """/tasks/new"""

    def __init__(self, site: Site, database: Database, posting: Posting, offer: Offer, orders: Orders) -> None:
        self._site = site
        self._database = database
        self._posting = posting
        self._offer = offer
        self._orders = orders

    @open_to("user")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The form; `?task=` and `?mode=` say which."""
        name, mode = request.get_param("task"), request.get_param("mode") or "one"
        self._show(request, response, name or "", mode, {})

    on_head = on_get

    @open_to("user")
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Posts one or many, as the API would."""
        form = request.context.form
        name, mode = text(request, "task"), text(request, "mode")
        task = self._offer.tasks.get(name)
        if task is None:
            raise bad("unknown_task", "There is no task of that name.")
        try:
            values = self._values(task, mode, form)
            fields: dict[str, Any] = {"task": name, "input_param": values}
            if text(request, "queue"):
                fields["queue"] = text(request, "queue")
            if text(request, "delay").strip():
                delay = forms.DELAY.read(text(request, "delay"), True)
                fields["delay"] = delay
            body, user = Body(b"", False, fields), user_of(request)
            answer = self._posting.create(user, self._orders.of(request, user, body), request.root_path, None, body)
        except Problem as problem:
            self._show(request, response, name, mode, form, problem)
            response.status = problem.status
            return
        ids = answer.task_ids()
        if len(ids) == 1:
            raise self._site.done(request, f"/tasks/{ids[0]}", "The task is accepted.")
        raise self._site.done(request, "/", f"{len(ids)} tasks are accepted.")

    def _values(self, task: TaskType, mode: str, form: dict[str, list[str]]) -> list[Any]:
        if mode == "one":
            wanted = _input(task)
            if wanted.kind == "json" and (form.get("as") or ["json"])[-1] == "text":
                return [(form.get("input") or [""])[-1]]
            return [schema.read(wanted, form)]
        many = (form.get("many") or [""])[-1]
        if mode == "json":
            value = schema.from_json(many)
            if not isinstance(value, list):
                raise bad("bad_input_param", "Send a JSON list, with an element for each task.", "#/input_param")
            return value
        return [task.read_text(line) for line in many.splitlines() if line.strip()]

    def _show(
        self,
        request: falcon.Request,
        response: falcon.Response,
        name: str,
        mode: str,
        form: dict[str, list[str]],
        problem: Problem | None = None,
    ) -> None:
        user = user_of(request)
        task = self._offer.tasks.get(name) or self._offer.tasks.get(self._offer.default or "")
        wanted = _input(task) if task else None
        has_lines = wanted is not None and wanted.kind in ("text", "integer", "number", "json")
        modes = [one for one in _MODES if one != "many" or has_lines]
        self._site.show(
            request, response, "new.html",
            task=task, wanted=wanted, mode=mode if mode in modes else "one", modes=modes,
            queues=users.queues(self._database, user),
            given={key: values[-1] for key, values in form.items()},
            error=problem.description if problem else None,
            misfits=schema.misfits(problem, wanted if mode == "one" else None) if problem else {},
            shown_schema=msgspec.json.format(msgspec.json.encode(task.schema()), indent=2).decode() if task else "",
        )  # fmt: skip


def _input(task: TaskType) -> Input:
    return schema.of(task.schema())
