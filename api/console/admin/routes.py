"""The paths of these pages, and what leads to them."""

from typing import Any

import falcon

import redisq

from ... import problems
from ...database import Database
from ..site import Place, Site
from .overview import Overview
from .watch import Watch

_PLACES = (Place("Administration", "Overview", "/admin", "chart", "viewer"),)


def add(app: Any, site: Site, database: Database, queue_app: redisq.RedisQ) -> None:
    """Adds all to an app."""
    site.places += _PLACES
    watch = Watch(database, queue_app)
    app.add_error_handler((redisq.ServerUnavailable, redisq.ServerRefused), _redis_is_away)
    app.add_route("/admin", Overview(site, database, watch))


def _redis_is_away(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, object]
) -> None:
    raise problems.unavailable("Redis") from error
