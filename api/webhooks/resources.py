"""/api/v1/webhook, /api/v1/webhook-secret and /api/v1/webhook-delivery: what a user registers, and what came of it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import falcon
from msgspec import Meta

from .. import bodies, forms, ids, queries
from ..database import Database
from ..describe import Answer, Field, Parameter, operation
from ..problems import Problem
from ..responses import send_json, send_tagged_json
from . import endpoints, events, keys, log
from .addresses import URL, Reach
from .endpoints import Endpoint
from .events import EVENTS, PREFIX, Event
from .log import Delivery
from .view import (
    DeliveryObject,
    NewWebhookObject,
    SecretObject,
    WebhookObject,
    delivery_object,
    new_webhook_object,
    secret_object,
    webhook_object,
)

BASE = "/api/v1/webhook"
LOG = "/api/v1/webhook-delivery"
_ID = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[0-9a-z_]+$")]
_NO_ORIGIN: dict[int, tuple[str, ...]] = {403: ("origin_not_allowed",)}
_NO_WEBHOOK: dict[int, tuple[str, ...]] = {404: ("webhook_not_found",)}
_NO_DELIVERY: dict[int, tuple[str, ...]] = {404: ("delivery_not_found",)}

URL_FIELD = Field("url", URL, "bad_url", "an http or https URL of a public host", is_required=True)
EVENTS_FIELD = Field(
    "events", Annotated[list[Event], Meta(min_length=1)], "bad_events",
    f"which events it is told, of {', '.join(EVENTS)}; all, if not given", is_list=True,
)  # fmt: skip

CURSOR = Parameter(
    "cursor", Annotated[str, Meta(pattern=f"^{PREFIX}{ids.PATTERN.pattern}$")], "bad_cursor",
    "where the last page ended; the Link header of a page has it",
)  # fmt: skip
WEBHOOK = Parameter("webhook", _ID, "bad_webhook", "only deliveries to that endpoint, by its id")
TASK = Parameter("task", _ID, "bad_task", "only deliveries about that task, by its id")
STATUS = Parameter("status", log.Status, "bad_status", "only deliveries of that status")
PAGE = (queries.LIMIT, CURSOR, WEBHOOK, TASK, STATUS)


class Webhooks:
    """/api/v1/webhook, and of one its /secret, /enable and /test"""

    def __init__(self, database: Database, reach: Reach, max_body: int) -> None:
        """`max_body`: bytes."""
        self._database = database
        self._reach = reach
        self._max_body = max_body

    @operation(
        "Register an endpoint",
        text="It is told of every task of mine that ends from now on. The answer has its secret, once.",
        fields=(URL_FIELD, EVENTS_FIELD),
        answers={201: Answer("registered", NewWebhookObject, ("Location",))},
        problems={**bodies.PROBLEMS, **_NO_ORIGIN, 409: ("too_many_webhooks",)},
    )
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Registers one."""
        body = bodies.read(request, self._max_body)
        sent = bodies.fields(body, (URL_FIELD, EVENTS_FIELD))
        url = forms.checked_url(URL_FIELD, sent["url"], self._reach)
        try:
            endpoint, secret = endpoints.add(self._database, _owner(request), url, sent.get("events", EVENTS))
        except endpoints.TooMany:
            raise Problem(409, "too_many_webhooks", f"You may have {endpoints.MOST}; delete one first.") from None
        response.set_header("Location", f"{request.root_path}{BASE}/{endpoint.id}")
        send_json(response, new_webhook_object(endpoint, secret), 201)

    @operation(
        "List my endpoints",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("all of them, the newest first", list[WebhookObject], ("ETag",)), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lists them."""
        found = endpoints.of(self._database, _owner(request))
        send_tagged_json(request, response, [webhook_object(endpoint) for endpoint in found])

    on_head = on_get

    @operation(
        "See an endpoint",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("the endpoint", WebhookObject, ("ETag",)), 304: queries.UNCHANGED},
        problems=_NO_WEBHOOK,
    )
    def on_get_one(self, request: falcon.Request, response: falcon.Response, webhook_id: str) -> None:
        """Shows it."""
        send_tagged_json(request, response, webhook_object(self._find(request, webhook_id)))

    on_head_one = on_get_one

    @operation(
        "Delete an endpoint",
        text="What it has not been told yet is not sent any more, and its deliveries are gone.",
        answers={204: Answer("deleted")},
        problems={**_NO_WEBHOOK, **_NO_ORIGIN},
    )
    def on_delete_one(self, request: falcon.Request, response: falcon.Response, webhook_id: str) -> None:
        """Deletes it."""
        with self._database.write():
            is_deleted = endpoints.remove(self._database, _owner(request), webhook_id)
        if not is_deleted:
            raise _no_such_webhook()
        response.status = 204

    @operation(
        "Get another secret for an endpoint",
        text="For a day messages are signed by the one before, too.",
        answers={200: Answer("the new one", SecretObject)},
        problems={**_NO_WEBHOOK, **_NO_ORIGIN},
    )
    def on_post_secret(self, request: falcon.Request, response: falcon.Response, webhook_id: str) -> None:
        """Rotates it."""
        self._find(request, webhook_id)
        _rotate(response, self._database, _owner(request), webhook_id)

    @operation(
        "Enable an endpoint",
        text="One that was disabled since it had answered 410. It is not told what has ended in the meantime.",
        answers={200: Answer("it is enabled, by now or since earlier", WebhookObject)},
        problems={**_NO_WEBHOOK, **_NO_ORIGIN},
    )
    def on_post_enable(self, request: falcon.Request, response: falcon.Response, webhook_id: str) -> None:
        """Enables it."""
        with self._database.write():
            endpoints.enable(self._database, _owner(request), webhook_id)
        send_json(response, webhook_object(self._find(request, webhook_id)))

    @operation(
        "Send an endpoint a test",
        text="A message of the type `webhook.test`, whose `data` is empty.",
        answers={202: Answer("it will be sent", DeliveryObject, ("Location",))},
        problems={**_NO_WEBHOOK, **_NO_ORIGIN, 409: ("webhook_disabled",)},
    )
    def on_post_test(self, request: falcon.Request, response: falcon.Response, webhook_id: str) -> None:
        """Sends one."""
        owner, endpoint = _owner(request), self._find(request, webhook_id)
        _check_enabled(endpoint)
        with self._database.write():
            delivery_id = endpoints.test(self._database, owner, endpoint)
        _will_be_sent(request, response, log.get(self._database, owner, delivery_id))

    def _find(self, request: falcon.Request, webhook_id: str) -> Endpoint:
        endpoint = endpoints.find(self._database, _owner(request), webhook_id)
        if endpoint is None:
            raise _no_such_webhook()
        return endpoint


class CallbackSecret:
    """/api/v1/webhook-secret"""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation(
        "Get another secret for callback URLs",
        text="What goes to the `callback_url` of a task of mine is signed by it. For a day messages are signed by the"
        " one before, too.",
        answers={200: Answer("the new one", SecretObject)},
        problems=_NO_ORIGIN,
    )
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Rotates it."""
        _rotate(response, self._database, _owner(request), events.CALLBACK)


class Deliveries:
    """/api/v1/webhook-delivery, and of one its /resend"""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation(
        "List my deliveries, newest first",
        text="A page may have fewer than `limit`, also none, and yet be followed by another: only a page without a"
        ' `Link: <...>; rel="next"` is the last one.',
        parameters=(*PAGE, queries.IF_NONE_MATCH),
        answers={200: Answer("a page", list[DeliveryObject], ("Link", "ETag")), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lists them."""
        wanted = log.Filter(WEBHOOK.read(request), TASK.read(request), STATUS.read(request), CURSOR.read(request))
        limit = min(queries.LIMIT.read(request), queries.MAX_LIMIT)
        found, cursor = log.page(self._database, _owner(request), wanted, limit)
        if cursor is not None:
            target = urlencode(queries.next_page(request, cursor, PAGE))
            response.set_header("Link", f'<{request.root_path}{LOG}?{target}>; rel="next"')
        send_tagged_json(request, response, [delivery_object(delivery) for delivery in found])

    on_head = on_get

    @operation(
        "See a delivery with its attempts",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("the delivery", DeliveryObject, ("ETag",)), 304: queries.UNCHANGED},
        problems=_NO_DELIVERY,
    )
    def on_get_one(self, request: falcon.Request, response: falcon.Response, delivery_id: str) -> None:
        """Shows it."""
        send_tagged_json(request, response, delivery_object(self._find(request, delivery_id)))

    on_head_one = on_get_one

    @operation(
        "Send a delivery again",
        text="The same message under the same `webhook-id`, at once, with as many attempts as a new one has.",
        answers={202: Answer("it will be sent", DeliveryObject, ("Location",))},
        problems={**_NO_DELIVERY, **_NO_ORIGIN, 409: ("webhook_disabled",)},
    )
    def on_post_resend(self, request: falcon.Request, response: falcon.Response, delivery_id: str) -> None:
        """Sends it again."""
        owner, delivery = _owner(request), self._find(request, delivery_id)
        endpoint = endpoints.find(self._database, owner, delivery.webhook_id)
        if endpoint is not None:
            _check_enabled(endpoint)
        with self._database.write():
            log.resend(self._database, owner, delivery_id)
        _will_be_sent(request, response, log.get(self._database, owner, delivery_id))

    def _find(self, request: falcon.Request, delivery_id: str) -> Delivery:
        delivery = log.get(self._database, _owner(request), delivery_id)
        if delivery is None:
            raise _no_such_delivery()
        return delivery


def _rotate(response: falcon.Response, database: Database, owner: int, webhook_id: str) -> None:
    with database.write():
        secret = keys.rotate(database, owner, webhook_id)
    send_json(response, secret_object(secret))


def _check_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled_at is not None:
        raise Problem(409, "webhook_disabled", "The endpoint has answered 410; enable it first.")


def _will_be_sent(request: falcon.Request, response: falcon.Response, delivery: Delivery | None) -> None:
    if delivery is None:  # deleted meanwhile
        raise _no_such_delivery()
    response.set_header("Location", f"{request.root_path}{LOG}/{delivery.id}")
    send_json(response, delivery_object(delivery), 202)


def _no_such_webhook() -> Problem:
    return Problem(404, "webhook_not_found", "You have no webhook of that id.")


def _no_such_delivery() -> Problem:
    return Problem(404, "delivery_not_found", "You have no delivery of that id.")


def _owner(request: falcon.Request) -> int:
    owner: int = request.context.user.id
    return owner
