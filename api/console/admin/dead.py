"""/admin/dead: dead letters of all queues, a line for each cause."""

import falcon

import redisq

from ..guard import open_to
from ..site import Site
from . import filters
from .watch import Watch

_MOST = 2000  # of the newest in each queue


class DeadLetters:
    """/admin/dead"""

    def __init__(self, site: Site, app: redisq.RedisQ, watch: Watch) -> None:
        self._site = site
        self._app = app
        self._watch = watch

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """By queue, the most frequent first."""
        queues = [row.name for row in self._watch.queues() if row.info.failed and row.info.trouble is None]
        found = [(name, self._app.queue(name).error_groups(_MOST)) for name in queues]
        self._site.show(
            request, response, "admin-dead.html",
            queues=[(name, groups) for name, groups in found if groups.groups], without_task=filters.WITHOUT_TASK,
        )  # fmt: skip

    on_head = on_get
