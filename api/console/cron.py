"""The entries of the timetable: when each ran and will run, and what can be done with one."""

from collections.abc import Callable

import falcon

import redisq

from .. import audit, clock
from ..database import Database
from .guard import open_to, text
from .site import Site, actor_of, user_of
from .workers import AWAY, IS_AWAY

_PATH = "/admin/cron"


class Cron:
    """/admin/cron, /admin/cron/run, /admin/cron/pause, /admin/cron/resume"""

    def __init__(self, site: Site, database: Database, app: redisq.RedisQ) -> None:
        self._site = site
        self._database = database
        self._app = app

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All entries, by name."""
        try:
            found = self._app.cron_entries()
        except AWAY:
            found = None
        may_act = user_of(request).is_at_least("operator")
        self._site.show(request, response, "cron.html", entries=found, may_act=may_act, micros=clock.micros)

    on_head = on_get

    @open_to("operator")
    def on_post_run(self, request: falcon.Request, response: falcon.Response) -> None:
        """Enqueues a job of one now."""
        self._act(request, "cron.run", redisq.CronEntry.run, "A job of {} is enqueued.")

    @open_to("operator")
    def on_post_pause(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lets no tick of one start a job."""
        self._act(request, "cron.pause", redisq.CronEntry.pause, "{} is paused.")

    @open_to("operator")
    def on_post_resume(self, request: falcon.Request, response: falcon.Response) -> None:
        """Goes on with the next tick."""
        self._act(request, "cron.resume", redisq.CronEntry.resume, "{} goes on with its next tick.")

    def _act(
        self, request: falcon.Request, name: str, act: Callable[[redisq.CronEntry], object], done: str
    ) -> None:
        wanted = text(request, "entry")
        try:
            entry = next((one for one in self._app.cron_entries() if one.name == wanted), None)
            if entry is None:
                raise self._site.done(request, _PATH, "There is no such entry any more.", "bad")
            with self._database.write():
                audit.note(self._database, actor_of(request), name, entry.name)
                act(entry)
        except AWAY:
            raise self._site.done(request, _PATH, IS_AWAY, "bad") from None
        except redisq.RedisQError as error:  # its code names another server, or it may not be run by what Redis has
            raise self._site.done(request, _PATH, f"That was refused: {error}", "bad") from None
        raise self._site.done(request, _PATH, done.format(entry.name))
