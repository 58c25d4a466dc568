"""The pages of administrators about people: their paths, and what leads to them."""

from typing import Any

from ..database import Database
from .accounts import Accounts
from .auditlog import AuditLog
from .plans import Plans
from .site import Place, Site

_PLACES = (
    Place("Administration", "Users", "/admin/users", "users", "admin"),
    Place("Administration", "Plans", "/admin/plans", "list", "admin"),
    Place("Administration", "Audit log", "/admin/audit", "log", "viewer"),
)


def add(app: Any, site: Site, database: Database) -> None:
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
