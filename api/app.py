"""Puts the service together: `create_app()` reads the environment, tests and embedders pass what they have."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import falcon

import redisq

from . import meter, migrations, offer, outbox, problems, routing, settings
from .auth import Gate, vouched
from .console import pages
from .console.cookies import Cookies
from .console.guard import Guard
from .database import Database, Unavailable
from .desk import Desk
from .docs import Document
from .embedding import Authenticate, BeforePost, as_asked
from .grants import Quota
from .handover import Handover
from .jobs import Jobs
from .meter import Meter
from .metrics import Metrics, Timing
from .middleware import Headers, Login, Methods, Origins
from .orders import Orders
from .own_tokens import Tokens
from .posting import Posting
from .quotas import Quotas
from .resources import Health, Tasks, TaskTypes
from .routes import Router
from .sessions import Sessions
from .settings import Misconfigured, Settings
from .webhooks.addresses import Reach
from .webhooks.resources import CallbackSecret, Deliveries, Webhooks

_log = logging.getLogger(__name__)

# Seconds for which a call to Redis is sent again: a request rather goes on without Redis than waits for it.
_PATIENCE = 0.5

# gunicorn's own status of an app that cannot be loaded: it stops instead of starting the worker again and again.
_EXIT_APP_LOAD_ERROR = 4

if TYPE_CHECKING:  # older versions of Falcon have the class, but not its parameters
    WSGIApp = falcon.App[falcon.Request, falcon.Response]


def create_app(
    config: Settings | None = None,
    *,
    database: Database | None = None,
    queue_app: redisq.RedisQ | None = None,
    authenticate: Authenticate | None = None,
    before_post: BeforePost = as_asked,
) -> WSGIApp:
    """The WSGI app. What is not given is made from `config`, and that is read from the environment.

    `authenticate` tells who asks instead of the service's own Basic and tokens: the name of one of its users.
    `before_post` may refuse, or change, what a POST asks for. Both are for a service that is mounted; see embedding.py.

    Without any of the first three, what is wrong is said in one line on standard error, and ends the process.
    """
    if config is not None or database is not None or queue_app is not None:
        return _create(config or Settings(), database, queue_app, authenticate, before_post)
    try:
        config = settings.read()
        config = replace(config, metrics_file=config.metrics_file or meter.path_of_parent())
        return _create(config, None, None, authenticate, before_post)
    except (Misconfigured, migrations.SchemaMissing, redisq.AppNotFound, redisq.InvalidURL) as error:
        sys.stderr.write(f"redisq-api: {error}\n")
        raise SystemExit(_EXIT_APP_LOAD_ERROR) from error


def _create(
    config: Settings,
    database: Database | None,
    queue_app: redisq.RedisQ | None,
    authenticate: Authenticate | None,
    before_post: BeforePost,
) -> WSGIApp:
    database = database or Database(config.database)
    migrations.check(database)
    queue_app = (queue_app or redisq.load_app(config.app)).replace(url=config.redis_url, patience=_PATIENCE)
    offered = offer.make(config, queue_app)
    handover = Handover(queue_app, migrations.feed_of(database))
    bound = outbox.Bound(config.backlog, config.backlog_bytes)
    jobs = Jobs(queue_app, handover, bound, partial(outbox.held, database))
    router = Router()
    sessions, cookies = Sessions(database, config.session_idle, config.session_age), Cookies(config.proxies)
    quotas = Quotas(database, Quota(config.unfinished, *config.requests))
    known = partial(vouched, database, authenticate) if authenticate else None
    guard = Guard(sessions, cookies, router, quotas, config.max_body, known)
    gate = Gate(database, config.proxies, authenticate, guard.user)
    posting = Posting(database, jobs, routing.Router(database, jobs, config.longest), quotas)
    app: WSGIApp = falcon.App(router=router)
    counts = _meter(config)
    app.add_middleware([Timing(counts), Methods(), Headers(), Origins(config.cors_origins), Login(gate, quotas), guard])
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Unavailable, _database_is_away)
    app.add_error_handler(Exception, _unexpected)
    reach = Reach(config.webhook_allow)
    desk = Desk(database, jobs, quotas, config.waiters)
    orders = Orders(offered, reach, config.max_body, before_post)
    tasks = Tasks(desk, posting, orders)
    document = Document(router.routes, offered)
    health = Health(database, jobs)
    _add_tasks(app, tasks)
    app.add_route("/api/v1/task-type", TaskTypes(offered))
    tokens = Tokens(database, config.max_body)
    app.add_route("/api/v1/token", tokens)
    app.add_route("/api/v1/token/{token_id}", tokens, suffix="one")
    _add_webhooks(app, database, reach, config.max_body)
    app.add_route("/healthz", health)
    app.add_route("/readyz", health, suffix="ready")
    app.add_route("/metrics", Metrics(database, jobs, counts, config.metrics_token))
    app.add_route("/openapi.json", document)
    pages.add(
        app, database=database, sessions=sessions, cookies=cookies, gate=gate, desk=desk, jobs=jobs,
        posting=posting, offer=offered, orders=orders, document=document, queue_app=queue_app,
        is_embedded=authenticate is not None,
    )  # fmt: skip
    # A server that loads the app before it forks must not hand its connection to the children.
    database.close()
    return app


def _add_tasks(app: WSGIApp, tasks: Tasks) -> None:
    app.add_route("/api/v1/task", tasks)
    app.add_route("/api/v1/task/{task_id}", tasks, suffix="one")
    app.add_route("/api/v1/task/{task_id}/status", tasks, suffix="status")
    app.add_route("/api/v1/task/{task_id}/result", tasks, suffix="result")
    app.add_route("/api/v1/task/{task_id}/record", tasks, suffix="record")
    app.add_route("/api/v1/task/{task_id}/retry", tasks, suffix="retry")


def _add_webhooks(app: WSGIApp, database: Database, reach: Reach, max_body: int) -> None:
    webhooks = Webhooks(database, reach, max_body)
    app.add_route("/api/v1/webhook", webhooks)
    app.add_route("/api/v1/webhook/{webhook_id}", webhooks, suffix="one")
    app.add_route("/api/v1/webhook/{webhook_id}/secret", webhooks, suffix="secret")
    app.add_route("/api/v1/webhook/{webhook_id}/enable", webhooks, suffix="enable")
    app.add_route("/api/v1/webhook/{webhook_id}/test", webhooks, suffix="test")
    app.add_route("/api/v1/webhook-secret", CallbackSecret(database))
    deliveries = Deliveries(database)
    app.add_route("/api/v1/webhook-delivery", deliveries)
    app.add_route("/api/v1/webhook-delivery/{delivery_id}", deliveries, suffix="one")
    app.add_route("/api/v1/webhook-delivery/{delivery_id}/resend", deliveries, suffix="resend")


def _meter(config: Settings) -> Meter:
    try:
        return Meter(config.metrics_file)
    except OSError as error:
        _log.warning("metrics.alone path=%s error=%s", config.metrics_file, error)
        return Meter()


def _database_is_away(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, object]
) -> None:
    _log.warning("database.unavailable method=%s path=%s error=%s", request.method, request.path, error)
    raise problems.unavailable("The database") from error


def _unexpected(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, object]
) -> None:
    _log.exception("request.failed method=%s path=%s", request.method, request.path)
    raise problems.Problem(500, "internal_error", "Something went wrong here; it has been logged.") from error
