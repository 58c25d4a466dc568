"""My tokens: made, shown once, and revoked."""

import re

import falcon

from .. import clock, tokens
from ..acts import Acts
from ..database import Database
from ..grants import BadUser
from ..users import SCOPES
from .guard import open_to, text
from .site import Site, actor_of, refusal, user_of

_DAY = 86400 * clock.SECOND
_DAYS = ("7", "30", "90", "365", "")


class Tokens:
    """/tokens, /tokens/{id}/revoke"""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database

    @open_to("user")
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """My tokens, and a form for another."""
        self._show(request, response)

    on_head = on_get

    @open_to("user")
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Makes one, and shows it on the page that is the answer: nothing keeps it."""
        user = user_of(request)
        days = text(request, "days")
        given = {"name": text(request, "name"), "scopes": request.context.form.get("scopes", []), "days": days}
        try:
            name = tokens.check_name(given["name"]) if given["name"] else None
            scopes = tokens.parse_scopes(",".join(given["scopes"]))
            expires_at = clock.now() + int(days) * _DAY if re.fullmatch(r"[1-9][0-9]{0,3}", days) else None
            token = Acts(self._database, actor_of(request)).create_token(user.name, name, scopes, expires_at)
        except BadUser as error:
            self._show(request, response, error=refusal(error), given=given, status=422)
            return
        self._show(request, response, token=token)

    @open_to("user")
    def on_post_revoke(self, request: falcon.Request, response: falcon.Response, token_id: str) -> None:
        """Makes one worthless."""
        user = user_of(request)
        try:
            Acts(self._database, actor_of(request)).revoke_token(user.name, token_id)
        except BadUser:
            raise self._site.done(request, "/tokens", "You have no such token any more.", "bad") from None
        raise self._site.done(request, "/tokens", "The token is revoked.")

    def _show(
        self,
        request: falcon.Request,
        response: falcon.Response,
        token: str | None = None,
        error: str | None = None,
        given: dict[str, object] | None = None,
        status: int = 200,
    ) -> None:
        user = user_of(request)
        self._site.show(
            request, response, "tokens.html",
            tokens=tokens.of(self._database, user.name)[::-1], token=token, error=error, status=status,
            given=given or {"name": "", "scopes": ["read", "write"], "days": "90"}, days=_DAYS,
            scopes=[scope for scope in SCOPES if scope != "admin" or user.admin], now=clock.now(),
        )  # fmt: skip
