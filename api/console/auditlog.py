"""The log of what administrators did."""

import falcon

from .. import audit
from ..database import Database
from .guard import open_to
from .site import Site

_PAGE = 50
_FILTERS = ("subject", "actor")


class AuditLog:
    """/admin/audit"""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The newest entries first, of one subject or one actor if they are named."""
        given = {name: (request.get_param(name) or "").replace("\0", "") for name in _FILTERS}
        before = request.get_param_as_int("before", min_value=1, max_value=2**53)
        found = audit.entries(self._database, _PAGE + 1, given["subject"] or None, given["actor"] or None, before)
        self._site.show(
            request, response, "audit.html",
            entries=found[:_PAGE], given=given, before=before,
            next_before=found[_PAGE - 1].id if len(found) > _PAGE else None,
        )  # fmt: skip

    on_head = on_get
