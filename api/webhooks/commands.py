"""`redisq-api webhook`: what an administrator does with users' webhooks; the audit log has it, without secrets."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from .. import audit, settings, terminal
from ..acts import Acts
from ..grants import BadUser
from . import endpoints, events, keys, log
from .addresses import BadURL, Reach
from .endpoints import Endpoint
from .view import delivery_object, new_webhook_object, secret_object, webhook_object

if TYPE_CHECKING:
    from ..administration import Commands

#: Adds a command that needs the database.
Add = Callable[["Commands", str, str, Callable[[argparse.Namespace, Acts], int]], argparse.ArgumentParser]
_LIMIT = 50


def add_commands(commands: Commands, add: Add) -> None:
    """Adds them."""
    text = "manage webhooks"
    group = commands.add_parser("webhook", help=text, description=text).add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace, Acts], int], *more: str) -> Any:
        parser = add(group, name, text, run)
        parser.add_argument("name", metavar="NAME", help="the user")
        for argument in more:
            parser.add_argument(argument.lower(), metavar=argument)
        return parser

    command("list", "list a user's endpoints", _list)
    create = command("add", "register an endpoint for a user, and print its secret", _add, "URL")
    create.add_argument("--events", metavar="EVENT,…", help=f"of {', '.join(events.EVENTS)} (default: all)")
    command("remove", "delete an endpoint and its deliveries", _remove, "WEBHOOK")
    command("enable", "enable an endpoint that has answered 410", _enable, "WEBHOOK")
    command("test", "send an endpoint a test", _test, "WEBHOOK")
    rotate = command("secret", "print another secret; the one before is valid for another day", _secret)
    rotate.add_argument("webhook", nargs="?", metavar="WEBHOOK", help="(default: the one for callback URLs)")
    deliveries = command("deliveries", "list a user's deliveries, the newest first", _deliveries)
    deliveries.add_argument("--status", choices=("pending", "delivered", "failed"))
    deliveries.add_argument("--limit", type=terminal.count, default=_LIMIT, metavar="N", help="(default: %(default)s)")
    command("resend", "send a delivery again", _resend, "DELIVERY")


def _list(given: argparse.Namespace, acts: Acts) -> int:
    found = [msgspec.to_builtins(webhook_object(one)) for one in endpoints.of(acts.database, acts.user(given.name).id)]
    return terminal.table(given, found, ("id", "url", "events", "status", "created_at"))


def _add(given: argparse.Namespace, acts: Acts) -> int:
    wanted = terminal.words(given.events) if given.events else list(events.EVENTS)
    if unknown := [event for event in wanted if event not in events.EVENTS]:
        raise BadUser(f"there is no event {unknown[0]}; there are {', '.join(events.EVENTS)}")
    try:
        Reach(settings.read().webhook_allow).check(given.url)
        with acts.database.write():
            endpoint, secret = endpoints.add(acts.database, acts.user(given.name).id, given.url, wanted)
            _note(acts, given, "webhook.add", webhook=endpoint.id)
    except BadURL as error:
        raise BadUser(f"not a URL for webhooks: {error}") from None
    except endpoints.TooMany:
        raise BadUser(f"{given.name} has {endpoints.MOST} endpoints, which is all that a user may have") from None
    return terminal.tell(given, msgspec.to_builtins(new_webhook_object(endpoint, secret)), f"{endpoint.id} {secret}")


def _remove(given: argparse.Namespace, acts: Acts) -> int:
    endpoint = _find(given, acts)
    with acts.database.write():
        endpoints.remove(acts.database, acts.user(given.name).id, endpoint.id)
        _note(acts, given, "webhook.remove", webhook=endpoint.id)
    return terminal.tell(given, {"removed": endpoint.id}, f"removed {endpoint.id}")


def _enable(given: argparse.Namespace, acts: Acts) -> int:
    endpoint = _find(given, acts)
    with acts.database.write():
        endpoints.enable(acts.database, acts.user(given.name).id, endpoint.id)
        _note(acts, given, "webhook.enable", webhook=endpoint.id)
    return terminal.tell(given, msgspec.to_builtins(webhook_object(_find(given, acts))), f"{endpoint.id} is enabled")


def _test(given: argparse.Namespace, acts: Acts) -> int:
    endpoint = _find(given, acts)
    with acts.database.write():
        delivery_id = endpoints.test(acts.database, acts.user(given.name).id, endpoint)
        _note(acts, given, "webhook.test", webhook=endpoint.id)
    return _tell_delivery(given, acts, delivery_id)


def _secret(given: argparse.Namespace, acts: Acts) -> int:
    webhook_id = events.CALLBACK if given.webhook is None else _find(given, acts).id
    with acts.database.write():
        secret = keys.rotate(acts.database, acts.user(given.name).id, webhook_id)
        _note(acts, given, "webhook.secret", webhook=webhook_id or None)
    return terminal.tell(given, msgspec.to_builtins(secret_object(secret)), secret)


def _deliveries(given: argparse.Namespace, acts: Acts) -> int:
    wanted = log.Filter(status=given.status)
    found, _ = log.page(acts.database, acts.user(given.name).id, wanted, given.limit)
    rows = [msgspec.to_builtins(delivery_object(delivery)) for delivery in found]
    if not given.json:  # which attempts there were is too much for a line
        rows = [row | {"attempts": len(row["attempts"])} for row in rows]
    return terminal.table(given, rows, ("id", "webhook", "task", "event", "url", "status", "attempts", "created_at"))


def _resend(given: argparse.Namespace, acts: Acts) -> int:
    with acts.database.write():
        owner = acts.user(given.name).id
        if log.get(acts.database, owner, given.delivery) is None:
            raise BadUser(f"{given.name} has no delivery {given.delivery}")
        log.resend(acts.database, owner, given.delivery)
        _note(acts, given, "webhook.resend", delivery=given.delivery)
    return _tell_delivery(given, acts, given.delivery)


def _tell_delivery(given: argparse.Namespace, acts: Acts, delivery_id: str) -> int:
    delivery = log.get(acts.database, acts.user(given.name).id, delivery_id)
    shown = None if delivery is None else msgspec.to_builtins(delivery_object(delivery))
    return terminal.tell(given, shown, f"{delivery_id} will be sent")


def _find(given: argparse.Namespace, acts: Acts) -> Endpoint:
    endpoint = endpoints.find(acts.database, acts.user(given.name).id, given.webhook)
    if endpoint is None:
        raise BadUser(f"{given.name} has no webhook {given.webhook}")
    return endpoint


def _note(acts: Acts, given: argparse.Namespace, act: str, **detail: object) -> None:
    audit.note(acts.database, acts.actor, act, given.name, **detail)
