"""The plans: what several users are given together."""

import falcon

from .. import grants
from ..acts import Acts
from ..database import Database
from ..grants import RULES, BadUser, Plan
from . import fields
from .guard import open_to, text
from .site import Site, actor_of, refusal

_PATH = "/admin/plans"


class Plans:
    """/admin/plans, /admin/new-plan, /admin/plans/{name} and its /remove"""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database

    @open_to("admin")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All plans, by name."""
        counts = grants.users_of_plans(self._database)
        shown = [
            (plan, fields.shown(plan.rule, plan.quota), counts.get(plan.name, 0))
            for plan in grants.plans(self._database)
        ]
        self._site.show(request, response, "plans.html", plans=shown)

    on_head = on_get

    @open_to("admin")
    def on_get_new(self, request: falcon.Request, response: falcon.Response) -> None:
        """A form for another one."""
        self._show(request, response, None)

    on_head_new = on_get_new

    @open_to("admin")
    def on_post_new(self, request: falcon.Request, response: falcon.Response) -> None:
        """Makes one."""
        name = text(request, "name").strip()
        try:
            if grants.find_plan(self._database, name) is not None:
                raise BadUser(f"there is a plan {name} already")
            self._put(request, name)
        except BadUser as error:
            self._show(request, response, None, refusal(error))
            return
        raise self._site.done(request, _PATH, f"The plan {name} can be given to users now.")

    @open_to("admin")
    def on_get_one(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """What a plan gives."""
        self._show(request, response, self._plan(name))

    on_head_one = on_get_one

    @open_to("admin")
    def on_post_one(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Makes another one of it, for all who have it."""
        plan = self._plan(name)
        try:
            self._put(request, name)
        except BadUser as error:
            self._show(request, response, plan, refusal(error))
            return
        raise self._site.done(request, _PATH, f"The plan {name} is saved.")

    @open_to("admin")
    def on_post_remove(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Deletes one that nobody has."""
        plan = self._plan(name)
        try:
            self._acts(request).remove_plan(name)
        except BadUser as error:
            self._show(request, response, plan, refusal(error))
            return
        raise self._site.done(request, _PATH, f"The plan {name} is removed.")

    def _put(self, request: falcon.Request, name: str) -> None:
        rule, quota = fields.rule(request) or "default", fields.quota(request)
        self._acts(request).put_plan(name, fields.words(request, "workers"), rule, quota)

    def _acts(self, request: falcon.Request) -> Acts:
        return Acts(self._database, actor_of(request))

    def _plan(self, name: str) -> Plan:
        plan = grants.find_plan(self._database, name.replace("\0", ""))
        if plan is None:
            raise falcon.HTTPNotFound(description="There is no such plan.")
        return plan

    def _show(
        self, request: falcon.Request, response: falcon.Response, plan: Plan | None, error: str | None = None
    ) -> None:
        """The form of a plan, or (None) of another one; after a refusal with what was sent."""
        if plan is not None and (error is None or request.path.endswith("/remove")):
            workers = " ".join(f"{queue}:{weight}" if weight != 1 else queue for queue, weight in plan.workers.items())
            given = {"name": plan.name, "workers": workers, **fields.shown(plan.rule, plan.quota)}
        else:
            names = ("name", "workers", "rule", "unfinished", "requests")
            given = {name: text(request, name) if error else "" for name in names}
        self._site.show(
            request, response, "plan.html",
            plan=plan, given=given, rules=RULES, error=error, status=422 if error else 200,
        )  # fmt: skip
