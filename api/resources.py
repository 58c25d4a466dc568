"""The paths under /api/v1 and the health checks: HTTP in, a call of the desk, JSON out."""

from typing import Any
from urllib.parse import urlencode

import falcon
import msgspec

from . import bodies, forms, idempotency, queries, view
from .database import Database, Unavailable
from .desk import Desk
from .forms import Offer
from .jobs import Jobs
from .posting import Posting
from .problems import unavailable
from .users import User

_RETRY_SECONDS = "1"


class Tasks:
    """/api/v1/task, /api/v1/task/{id}, and its /status, /result and /record"""

    def __init__(self, desk: Desk, posting: Posting, offer: Offer, max_body: int) -> None:
        """`max_body`: bytes."""
        self._desk = desk
        self._posting = posting
        self._offer = offer
        self._max_body = max_body

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Takes one task or a list of them."""
        key = idempotency.check_key(request.get_header("Idempotency-Key"))
        body = bodies.read(request, self._max_body)
        order = forms.parse(body, self._offer)
        user, posting = _user(request), self._posting
        answer = posting.create(user, order) if key is None else posting.create_once(user, order, key, body)
        response.status = 202
        response.set_header("Location", answer.location)
        _json(response, answer.body.encode())

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lists my tasks, newest first."""
        status, limit = queries.status(request), queries.limit(request)
        shown, cursor = self._desk.page(_user(request), status, limit, queries.cursor(request))
        if cursor is not None:
            query = {"status": status, "limit": limit, "cursor": cursor}
            target = urlencode({name: value for name, value in query.items() if value is not None})
            response.set_header("Link", f'<{view.BASE}?{target}>; rel="next"')
        _json(response, [view.task_object(seen) for seen in shown])

    on_head = on_get

    def on_get_one(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """The task object."""
        _json(response, view.task_object(self._desk.get(_user(request), task_id)))

    on_head_one = on_get_one

    def on_delete_one(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Cancels it."""
        seen = self._desk.cancel(_user(request), task_id)
        response.status = 200 if seen.task.state == "cancelled" else 202
        _json(response, view.task_object(seen))

    def on_get_status(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Where it is."""
        seen = self._desk.get(_user(request), task_id)
        if not seen.has_ended:
            response.set_header("Retry-After", _RETRY_SECONDS)
        _json(response, view.status_object(seen))

    on_head_status = on_get_status

    def on_get_result(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """How it ended; 202 before."""
        seen = self._desk.wait(_user(request), task_id, queries.wait(request, response))
        if not seen.has_ended:
            response.status = 202
            response.set_header("Retry-After", _RETRY_SECONDS)
        _json(response, view.result_object(seen))

    on_head_result = on_get_result

    def on_delete_record(self, request: falcon.Request, response: falcon.Response, task_id: str) -> None:
        """Deletes it, once it has ended."""
        self._desk.forget(_user(request), task_id)
        response.status = 204


class TaskTypes:
    """/api/v1/task-type"""

    def __init__(self, offer: Offer) -> None:
        types = [{"name": name, "default": name == offer.default} for name in offer.tasks]
        self._answer = msgspec.json.encode(types)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The tasks on offer."""
        _json(response, self._answer)

    on_head = on_get


class Health:
    """/healthz: this process lives. /readyz: the database answers, so that tasks can be accepted."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lives."""
        _json(response, {"status": "ok"})

    on_head = on_get

    def on_get_ready(self, request: falcon.Request, response: falcon.Response) -> None:
        """Ready, ready but `degraded` without Redis, or 503."""
        try:
            self._database.one("SELECT 1 FROM service")
        except Unavailable:
            raise unavailable("The database") from None
        _json(response, {"status": "ready" if self._jobs.is_reachable() else "degraded"})

    on_head_ready = on_get_ready


def _user(request: falcon.Request) -> User:
    user: User = request.context.user
    return user


def _json(response: falcon.Response, value: Any) -> None:
    response.data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    response.content_type = "application/json"
