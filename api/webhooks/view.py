"""Endpoints and deliveries as their owner sees them, each as one JSON object."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from .. import clock
from . import keys
from .endpoints import Endpoint
from .events import Event
from .log import Delivery, Made, Status

_Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_Secret = Annotated[str, Meta(description="not to be seen again; Standard Webhooks says how to verify with it")]


class WebhookObject(msgspec.Struct):
    """An endpoint. One that answers 410 is disabled by that."""

    id: str
    url: str
    events: list[Event]
    status: Literal["enabled", "disabled"]
    created_at: _Moment


class NewWebhookObject(WebhookObject):
    """An endpoint that was just made, with its secret."""

    secret: _Secret


class SecretObject(msgspec.Struct):
    """A new secret. The one before it, if there was one, is valid until then, and messages are signed by both."""

    secret: _Secret
    previous_expires_at: _Moment


class AttemptObject(msgspec.Struct):
    """One attempt: without `error` it was a success, without `status` nobody answered."""

    at: _Moment
    seconds: float
    status: int | None
    error: str | None
    response: Annotated[str | None, Meta(description="how the body of the answer begins")]


class DeliveryObject(msgspec.Struct):
    """What was, or is to be, sent to an endpoint, or to the `callback_url` of a task. Its id is the `webhook-id`."""

    id: str
    webhook: Annotated[str | None, Meta(description="null: the callback_url of the task")]
    task: Annotated[str | None, Meta(description="null: a test")]
    event: str
    url: str
    status: Status
    created_at: _Moment
    next_attempt_at: _Moment | None
    finished_at: _Moment | None
    attempts: list[AttemptObject]


def webhook_object(endpoint: Endpoint) -> WebhookObject:
    """An endpoint as its owner sees it."""
    return WebhookObject(
        endpoint.id,
        endpoint.url,
        cast(list[Event], list(endpoint.events)),
        "enabled" if endpoint.disabled_at is None else "disabled",
        clock.rfc3339(endpoint.created_at) or "",
    )


def delivery_object(delivery: Delivery) -> DeliveryObject:
    """A delivery as its owner sees it."""
    return DeliveryObject(
        id=delivery.id,
        webhook=delivery.webhook_id or None,
        task=delivery.task_id,
        event=delivery.event,
        url=delivery.url,
        status=delivery.status,
        created_at=clock.rfc3339(delivery.created_at) or "",
        next_attempt_at=clock.rfc3339(delivery.due_at),
        finished_at=clock.rfc3339(delivery.finished_at),
        attempts=[_attempt_object(made) for made in delivery.attempts],
    )


def new_webhook_object(endpoint: Endpoint, secret: str) -> NewWebhookObject:
    """An endpoint that was just made."""
    return NewWebhookObject(**msgspec.structs.asdict(webhook_object(endpoint)), secret=secret)


def secret_object(secret: str) -> SecretObject:
    """A secret that was just made."""
    return SecretObject(secret, clock.rfc3339(clock.now() + keys.OVERLAP) or "")


def _attempt_object(made: Made) -> AttemptObject:
    seconds = made.duration / clock.SECOND
    return AttemptObject(clock.rfc3339(made.at) or "", seconds, made.status, made.error, made.response)
