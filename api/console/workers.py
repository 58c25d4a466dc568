"""The workers: what each runs, and orders to one of them."""

from collections.abc import Callable
from dataclasses import dataclass

import falcon

import redisq

from .. import audit, census, clock
from ..database import Database
from .guard import open_to, text
from .site import Site, actor_of, user_of

AWAY = (redisq.ServerUnavailable, redisq.ServerRefused)
IS_AWAY = "Redis cannot be reached at the moment."
_PATH = "/admin/workers"


@dataclass(frozen=True, slots=True)
class Running:
    """A job that a worker holds, and since when (microseconds since the epoch)."""

    job: redisq.HeldJob
    since: int | None


class Workers:
    """/admin/workers, /admin/workers/stop, /admin/workers/recycle"""

    def __init__(self, site: Site, database: Database, app: redisq.RedisQ) -> None:
        self._site = site
        self._database = database
        self._app = app

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All of them."""
        try:
            found = self._app.survey().workers(self._queues(), jobs=3)
        except AWAY:
            found = None
        shown = None if found is None else [(one, [_running(job) for job in one.jobs[:3]]) for one in found]
        may_act = user_of(request).is_at_least("operator")
        self._site.show(request, response, "workers.html", workers=shown, may_act=may_act, micros=clock.micros)

    on_head = on_get

    @open_to("operator")
    def on_post_stop(self, request: falcon.Request, response: falcon.Response) -> None:
        """Has the whole process end, once its jobs have."""
        self._order(request, "worker.stop", self._app.stop_worker, "The process stops when its jobs have ended.")

    @open_to("operator")
    def on_post_recycle(self, request: falcon.Request, response: falcon.Response) -> None:
        """Has the child replaced by a new one, once its job has ended."""
        self._order(request, "worker.recycle", self._app.recycle_worker, "Another one takes its place.")

    def _order(
        self, request: falcon.Request, act: str, give: Callable[[str, list[str]], None], done: str
    ) -> None:
        name = text(request, "worker").replace("\0", "")
        try:
            with self._database.write():
                audit.note(self._database, actor_of(request), act, name)
                give(name, self._queues())
        except redisq.WorkerNotFound as error:
            raise self._site.done(request, _PATH, f"There is {error}.", "bad") from None
        except AWAY:
            raise self._site.done(request, _PATH, IS_AWAY, "bad") from None
        raise self._site.done(request, _PATH, done)

    def _queues(self) -> list[str]:
        return sorted({*census.queues(self._database), *self._app.queue_names()})


def _running(job: redisq.HeldJob) -> Running:
    since = None if job.held_for is None else round(clock.now() / clock.SECOND - job.held_for) * clock.SECOND
    return Running(job, since)
