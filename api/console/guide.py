"""/ and /docs: how to use the service; for somebody who is logged in, / is his tasks."""

from typing import Any

import falcon

from .. import docs, users
from ..auth import Gate
from ..database import Database, Unavailable
from ..docs import Document
from ..offer import Offer
from ..problems import Problem
from .guard import VISITOR, open_to
from .site import Site, session_of
from .tasks import Tasks


class Guide:
    """/, /docs"""

    def __init__(
        self, site: Site, gate: Gate, database: Database, document: Document, offer: Offer, tasks: Tasks
    ) -> None:
        self._site = site
        self._gate = gate
        self._database = database
        self._document = document
        self._offer = offer
        self._tasks = tasks

    @open_to(VISITOR)
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """My tasks, or how to use the service."""
        calls = [call for call in docs.calls(self._document.content) if call.path.startswith("/api/")]
        if session_of(request) is not None:
            self._tasks.show_list(request, response, calls=calls, **self._known(request))
        else:
            self._site.show(request, response, "home.html", calls=calls, **self._known(request))

    on_head = on_get

    @open_to(VISITOR)
    def on_get_docs(self, request: falcon.Request, response: falcon.Response) -> None:
        """Every call in full."""
        content = self._document.content
        shown = self._known(request) | {"calls": docs.calls(content), "shapes": docs.shapes(content)}
        self._site.show(request, response, "docs.html", tasks=docs.offered(self._offer), **shown)

    on_head_docs = on_get_docs

    def _known(self, request: falcon.Request) -> dict[str, Any]:
        """Who asks, also if by an Authorization header, his queues, and what stands for him in the examples."""
        session = session_of(request)
        try:
            user = session.user if session else self._gate.visitor(request)
            queues = users.queues(self._database, user) if user else []
        except (Problem, Unavailable):
            user, queues = None, []
        return {"user": user, "queues": queues, "who": f"{user.name}:PASSWORD" if user else "test:test"}
