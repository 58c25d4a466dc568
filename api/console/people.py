"""The pages of administrators about users, workers and the timetable: their paths, and what leads to them."""

from typing import Any

import redisq

from ..database import Database
from .accounts import Accounts
from .auditlog import AuditLog
from .cron import Cron
from .plans import Plans
from .site import Place, Site
from .workers import Workers

_PLACES = (
    Place("Administration", "Workers", "/admin/workers", "worker", "viewer"),
    Place("Administration", "Cron", "/admin/cron", "clock", "viewer"),
    Place("Administration", "Users", "/admin/users", "users", "admin"),
    Place("Administration", "Plans", "/admin/plans", "list", "admin"),
    Place("Administration", "Audit log", "/admin/audit", "log", "viewer"),
)


def add(app: Any, site: Site, database: Database, queue_app: redisq.RedisQ) -> None:
    """Adds all to an app."""
    site.places += _PLACES
    accounts = Accounts(site, database)
    app.add_route("/admin/users", accounts)
    app.add_route("/admin/new-user", accounts, suffix="new")
    app.add_route("/admin/users/{name}", accounts, suffix="one")
    for act in ("settings", "grant", "revoke", "password", "disable", "enable", "token"):
        app.add_route(f"/admin/users/{{name}}/{act}", accounts, suffix=act)
    plans = Plans(site, database)
    app.add_route("/admin/plans", plans)
    app.add_route("/admin/new-plan", plans, suffix="new")
    app.add_route("/admin/plans/{name}", plans, suffix="one")
    app.add_route("/admin/plans/{name}/remove", plans, suffix="remove")
    app.add_route("/admin/audit", AuditLog(site, database))
    workers = Workers(site, database, queue_app)
    app.add_route("/admin/workers", workers)
    for act in ("stop", "recycle"):
        app.add_route(f"/admin/workers/{act}", workers, suffix=act)
    cron = Cron(site, database, queue_app)
    app.add_route("/admin/cron", cron)
    for act in ("run", "pause", "resume"):
        app.add_route(f"/admin/cron/{act}", cron, suffix=act)
