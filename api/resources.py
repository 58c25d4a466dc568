"""The paths under /api/v1 and the health checks: HTTP in, a call of the desk, JSON out.

`@operation` says of each what the document at /openapi.json tells.
"""

from typing import Literal
from urllib.parse import urlencode

import falcon
import msgspec

from . import bodies, idempotency, offer, queries, view
from .database import Database, Unavailable
from .describe import Answer, operation
from .desk import Desk
from .jobs import Jobs
from .offer import Offer, TaskTypeObject
from .orders import Orders
from .posting import Posting
from .problems import unavailable
from .responses import send_json, send_tagged_json
from .users import User
from .view import ResultObject, StatusObject, TaskObject

_RETRY_SECONDS = "1"
_NOT_THERE = {404: ("task_not_found",)}


class Tasks:
    """/api/v1/task, /api/v1/task/{id}, and its /status, /result, /retry and /record"""

    def __init__(self, desk: Desk, posting: Posting, orders: Orders) -> None:
        self._desk = desk
        self._posting = posting
        self._orders = orders

    @operation(
        "Post a task, or a list of them",
        text="`input_param` once is one task; a list, `input_param[]`, or `input_param` repeated, is a list of tasks,"
        " answered in the same order. The answer is 200 instead of 202 if you waited and all have ended.",
        parameters=(idempotency.KEY, *queries.WAITING),
        has_body=True,
        answers={
            200: Answer("it has ended, or all have", TaskObject | list[TaskObject], ("Location", "Preference-Applied")),
            202: Answer("accepted", TaskObject | list[TaskObject], ("Location", "Preference-Applied")),
        },
        problems={
            **bodies.PROBLEMS,
            403: ("queue_not_granted", "no_worker", "origin_not_allowed"),
            409: ("idempotency_key_in_use",),
            422: ("idempotency_key_reused",),
        },
    )
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Takes one task or a list of them."""
        key, wait = idempotency.KEY.read(request), queries.wait(request)
        user = _user(request)
        order, body = self._orders.read(request, user)
        answer = self._posting.create(user, order, request.root_path, key, body)
        response.status = 202
        response.set_header("Location", answer.location)
        if wait.seconds == 0:
            send_json(response, answer.body.encode())
            return
        seen = self._wait(request, response, answer.task_ids(), wait)
        if all(one.has_ended for one in seen):
            response.status = 200
        shown = [view.task_object(one, request.root_path) for one in seen]
        send_json(response, shown if order.is_list else shown[0])

    @operation(
        "List my tasks, newest first",
        text="A page may have fewer tasks than `limit`, also none, and yet be followed by another: only a page without"
        ' a `Link: <...>; rel="next"` is the last one.',
        parameters=(*queries.PAGE, queries.IF_NONE_MATCH),
        answers={200: Answer("a page", list[TaskObject], ("Link", "ETag")), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lists my tasks, newest first."""
        shown, cursor = self._desk.page(_user(request), *queries.wanted(request))
        if cursor is not None:
            target = urlencode(queries.next_page(request, cursor))
            response.set_header("Link", f'<{request.root_path}{view.BASE}?{target}>; rel="next"')
        send_tagged_json(request, response, [view.task_object(seen, request.root_path) for seen in shown])

    on_head = on_get

    @operation(
        "See all about a task",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("the task", TaskObject, ("ETag",)), 304: queries.UNCHANGED},
        problems=_NOT_THERE,
    )
    def on_get_one(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """The task object."""
        seen = self._desk.get(_user(request), task_id)
        send_tagged_json(request, response, view.task_object(seen, request.root_path))

    on_head_one = on_get_one

    @operation(
        "Cancel a task",
        answers={
            200: Answer("it is cancelled, by now or since earlier", TaskObject),
            202: Answer("it runs, and has been asked to stop", TaskObject),
        },
        problems={**_NOT_THERE, 403: ("origin_not_allowed",), 409: ("already_ended",)},
    )
    def on_delete_one(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Cancels it."""
        seen = self._desk.cancel(_user(request), task_id)
        response.status = 200 if seen.task.state == "cancelled" else 202
        send_json(response, view.task_object(seen, request.root_path))

    @operation(
        "See where a task is",
        text="With a wait, the answer comes once the task has ended, or when the time is up.",
        parameters=(*queries.WAITING, queries.IF_NONE_MATCH),
        answers={
            200: Answer("its status", StatusObject, ("ETag", "Retry-After", "Preference-Applied")),
            304: queries.UNCHANGED,
        },
        problems=_NOT_THERE,
    )
    def on_get_status(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Where it is."""
        seen = self._wait(request, response, [task_id], queries.wait(request))[0]
        if not seen.has_ended:
            response.set_header("Retry-After", _RETRY_SECONDS)
        send_tagged_json(request, response, view.status_object(seen))

    on_head_status = on_get_status

    @operation(
        "Get a task's result",
        text="With a wait, the answer comes once the task has ended, or when the time is up.",
        parameters=(*queries.WAITING, queries.IF_NONE_MATCH),
        answers={
            200: Answer("it has ended", ResultObject, ("ETag", "Preference-Applied")),
            202: Answer("it has not ended yet", ResultObject, ("Retry-After", "Preference-Applied")),
            304: queries.UNCHANGED,
        },
        problems=_NOT_THERE,
    )
    def on_get_result(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """How it ended; 202 before."""
        seen = self._wait(request, response, [task_id], queries.wait(request))[0]
        if seen.has_ended:
            send_tagged_json(request, response, view.result_object(seen))
            return
        response.status = 202
        response.set_header("Retry-After", _RETRY_SECONDS)
        send_json(response, view.result_object(seen))

    on_head_result = on_get_result

    @operation(
        "Delete a task's record",
        text="Of a task that has ended: its input and result are gone then.",
        answers={204: Answer("deleted", None)},
        problems={**_NOT_THERE, 403: ("origin_not_allowed",), 409: ("not_ended",)},
    )
    def on_delete_record(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Deletes it, once it has ended."""
        self._desk.forget(_user(request), task_id)
        response.status = 204

    @operation(
        "Retry a failed task",
        text="It runs again under the same id, as if it had been posted now.",
        answers={202: Answer("accepted again", TaskObject, ("Location",))},
        problems={**_NOT_THERE, 403: ("origin_not_allowed",), 409: ("not_failed",)},
    )
    def on_post_retry(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Runs it again."""
        seen = self._desk.retry(_user(request), task_id)
        response.status = 202
        response.set_header("Location", view.location(seen.task, request.root_path))
        send_json(response, view.task_object(seen, request.root_path))

    def _wait(
        self, request: falcon.Request, response: falcon.Response, task_ids: list[str], wait: queries.Wait
    ) -> list[view.Seen]:
        seen, is_waited = self._desk.wait(_user(request), task_ids, wait.seconds)
        if is_waited:
            wait.confirm(response)
        return seen


class TaskTypes:
    """/api/v1/task-type"""

    def __init__(self, tasks: Offer) -> None:
        types = [offer.task_type_object(task, tasks) for task in tasks.tasks.values()]
        self._answer = msgspec.json.encode(types)

    @operation(
        "List the tasks on offer",
        text="`queue` is the one that the task's code names; a POST goes to one of your own queues.",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("the tasks", list[TaskTypeObject], ("ETag",)), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The tasks on offer."""
        send_tagged_json(request, response, self._answer)

    on_head = on_get


class HealthObject(msgspec.Struct):
    """Whether the service works: `degraded` is ready while Redis is away."""

    status: Literal["ok", "ready", "degraded"]


class Health:
    """/healthz: this process lives. /readyz: the database answers, so that tasks can be accepted."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs

    @operation("See that the process lives", answers={200: Answer("it does", HealthObject)})
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lives."""
        send_json(response, HealthObject("ok"))

    on_head = on_get

    @operation(
        "See whether tasks can be accepted",
        answers={200: Answer("they can", HealthObject)},
        problems={503: ("unavailable",)},
    )
    def on_get_ready(self, request: falcon.Request, response: falcon.Response) -> None:
        """Ready, ready but `degraded` without Redis, or 503."""
        try:
            self._database.one("SELECT 1 FROM service")
        except Unavailable:
            raise unavailable("The database") from None
        send_json(response, HealthObject("ready" if self._jobs.is_reachable() else "degraded"))

    on_head_ready = on_get_ready


def _user(request: falcon.Request) -> User:
    user: User = request.context.user
    return user
