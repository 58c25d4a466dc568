"""The paths of these pages, and what leads to them."""

from typing import Any

import falcon

import redisq

from ... import problems
from ...database import Database
from ..site import Place, Site
from .bulk import Bulk
from .dead import DeadLetters
from .jobs import Jobs
from .overview import Overview
from .queues import Queues
from .watch import Watch

_PLACES = (
    Place("Administration", "Overview", "/admin", "chart", "viewer"),
    Place("Administration", "Dead letters", "/admin/dead", "dead", "viewer"),
)


def add(app: Any, site: Site, database: Database, queue_app: redisq.RedisQ) -> None:
    """Adds all to an app."""
    site.places += _PLACES
    watch = Watch(database, queue_app)
    app.add_error_handler((redisq.ServerUnavailable, redisq.ServerRefused), _redis_is_away)
    app.add_route("/admin", Overview(site, database, watch))
    queues = Queues(site, database, queue_app, watch)
    app.add_route("/admin/queues/{name}", queues)
    app.add_route("/admin/queues/{name}/pause", queues, suffix="pause")
    app.add_route("/admin/queues/{name}/resume", queues, suffix="resume")
    app.add_route("/admin/queues/{name}/bulk", Bulk(site, database, queue_app))
    jobs = Jobs(site, database, queue_app)
    app.add_route("/admin/jobs/{job_id}", jobs)
    for act in ("retry", "cancel", "delete"):
        app.add_route(f"/admin/jobs/{{job_id}}/{act}", jobs, suffix=act)
    app.add_route("/admin/dead", DeadLetters(site, queue_app, watch))


def _redis_is_away(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, object]
) -> None:
    raise problems.unavailable("Redis") from error
