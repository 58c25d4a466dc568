"""The users: found, added, and given what they may have. Each act is one of acts.py, and so in the audit log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import falcon

from .. import clock, grants, tokens, users
from ..acts import Acts
from ..database import Database
from ..grants import RULES, BadUser
from ..users import ROLES, User
from . import fields
from .guard import open_to, text
from .site import Site, actor_of, refusal, user_of

_PAGE = 50
_PATH = "/admin/users"


class Accounts:
    """/admin/users, /admin/new-user, /admin/users/{name} and what can be done there"""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database

    @open_to("admin")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The users, by name."""
        wanted, after = (_plain(request.get_param(name) or "") for name in ("text", "after"))
        found = users.search(self._database, wanted, after, _PAGE + 1)
        shown = [(user, users.queues(self._database, user)) for user in found[:_PAGE]]
        self._site.show(
            request, response, "users.html",
            users=shown, text=wanted, after=after, next_after=found[_PAGE - 1].name if len(found) > _PAGE else None,
        )  # fmt: skip

    on_head = on_get

    @open_to("admin")
    def on_get_new(self, request: falcon.Request, response: falcon.Response) -> None:
        """A form for another one."""
        self._show_new(request, response)

    on_head_new = on_get_new

    @open_to("admin")
    def on_post_new(self, request: falcon.Request, response: falcon.Response) -> None:
        """Adds a user."""
        name = text(request, "name").strip()
        try:
            self._acts(request).add(
                name, text(request, "password"), fields.words(request, "workers"), False, text(request, "plan") or None
            )
        except BadUser as error:
            self._show_new(request, response, refusal(error))
            return
        raise self._site.done(request, f"{_PATH}/{name}", f"{name} can log in now.")

    @open_to("admin")
    def on_get_one(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """What a user is given."""
        self._show(request, response, self._user(name))

    on_head_one = on_get_one

    @open_to("admin")
    def on_post_settings(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Sets role, plan, rule and quota: those that are others than before."""

        def act(acts: Acts, user: User) -> None:
            role, plan = fields.chosen(request, "role", ROLES), text(request, "plan") or None
            rule, quota = fields.rule(request), fields.quota(request)
            old_rule, old_quota = grants.own(self._database, user.id)
            with self._with_an_admin():
                if role != user.role:
                    acts.set_role(name, role)
                if plan != user.plan:
                    acts.set_plan(name, plan)
                if rule != old_rule:
                    acts.set_rule(name, rule)
                change = {key: value for key, value in quota.items() if value != getattr(old_quota, key)}
                if change:
                    acts.set_quota(name, change)

        is_leaving = name == user_of(request).name and text(request, "role") != "admin"
        then = "/" if is_leaving else None
        self._act(request, response, name, "settings", act, f"The settings of {name} are saved.", then)

    @open_to("admin")
    def on_post_grant(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Gives workers, or other weights."""
        granted = fields.words(request, "workers")
        self._act(
            request, response, name, "grant", lambda acts, user: acts.grant(name, granted), "The workers are granted."
        )

    @open_to("admin")
    def on_post_revoke(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Takes a worker."""
        queue = text(request, "queue")
        self._act(
            request, response, name, "grant", lambda acts, user: acts.revoke(name, [queue]), "The worker is revoked."
        )

    @open_to("admin")
    def on_post_password(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Sets another password."""
        password = text(request, "password")
        done = f"{name} has another password, and has to log in with it."
        self._act(request, response, name, "password", lambda acts, user: acts.set_password(name, password), done)

    @open_to("admin")
    def on_post_disable(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Lets nobody in under that name."""

        def act(acts: Acts, user: User) -> None:
            with self._with_an_admin():
                acts.disable(name)

        self._act(request, response, name, "disable", act, f"{name} is disabled.")

    @open_to("admin")
    def on_post_enable(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Lets him in again."""
        self._act(
            request, response, name, "disable", lambda acts, user: acts.enable(name), f"{name} is let in again."
        )

    @open_to("admin")
    def on_post_token(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Revokes a token."""
        token = text(request, "token")
        self._act(
            request, response, name, "token", lambda acts, user: acts.revoke_token(name, token), "The token is revoked."
        )

    def _act(
        self,
        request: falcon.Request,
        response: falcon.Response,
        name: str,
        form: str,
        act: Callable[[Acts, User], object],
        done: str,
        then: str | None = None,
    ) -> None:
        """Carries out what a form of a user's page asks for; a refusal is shown beside that form."""
        user = self._user(name)
        try:
            act(self._acts(request), user)
        except BadUser as error:
            self._show(request, response, user, {form: refusal(error)})
            return
        raise self._site.done(request, then or f"{_PATH}/{name}", done)

    @contextmanager
    def _with_an_admin(self) -> Iterator[None]:
        """What is done in the block is undone, and refused, if nobody could manage users then."""
        with self._database.write():
            yield
            if not users.has_admin(self._database):
                raise BadUser("nobody would be left who can manage users: make somebody else an administrator first")

    def _acts(self, request: falcon.Request) -> Acts:
        return Acts(self._database, actor_of(request))

    def _user(self, name: str) -> User:
        user = users.find(self._database, _plain(name))
        if user is None:
            raise falcon.HTTPNotFound(description="There is no such user.")
        return user

    def _show(
        self, request: falcon.Request, response: falcon.Response, user: User, wrong: dict[str, str] | None = None
    ) -> None:
        own = grants.granted(self._database, user.id, None)
        given = {"role": user.role, "plan": user.plan or "", **fields.shown(*grants.own(self._database, user.id))}
        if wrong and "settings" in wrong:
            given = {name: text(request, name) for name in given}
        self._site.show(
            request, response, "user.html",
            shown=user, own=own, of_plan=grants.workers_of_plan(self._database, user.plan) if user.plan else {},
            tokens=tokens.of(self._database, user.name)[::-1], now=clock.now(), roles=ROLES, rules=RULES,
            plans=[plan.name for plan in grants.plans(self._database)], given=given, wrong=wrong or {},
            granting=text(request, "workers") if wrong else "", status=422 if wrong else 200,
        )  # fmt: skip

    def _show_new(self, request: falcon.Request, response: falcon.Response, error: str | None = None) -> None:
        given = {name: text(request, name) if error else "" for name in ("name", "workers", "plan")}
        self._site.show(
            request, response, "new-user.html",
            given=given, error=error, plans=[plan.name for plan in grants.plans(self._database)],
            status=422 if error else 200,
        )  # fmt: skip


def _plain(value: str) -> str:
    """Without the one character that PostgreSQL has no text for."""
    return value.replace("\0", "")
