"""/login and /logout: by a form and a session for people; for programs with HTTP Basic, by a status as ever."""

import falcon

from .. import auth
from ..auth import Gate
from ..problems import Problem
from .cookies import Cookies
from .guard import VISITOR, open_to, own_path, text
from .site import Site, link, session_of, wants_page

_REASONS = {"over": "Your session has ended. Log in to go on.", "out": "You are logged out."}


class Entry:
    """/login, /logout"""

    def __init__(self, site: Site, gate: Gate, cookies: Cookies) -> None:
        self._site = site
        self._gate = gate
        self._cookies = cookies

    @open_to(VISITOR)
    def on_get_login(self, request: falcon.Request, response: falcon.Response) -> None:
        """The form; for a program the challenge to send name and password."""
        next_path = own_path(request.get_param("next"))
        if request.get_header("Authorization") is None:
            if session_of(request) is not None:
                raise falcon.HTTPSeeOther(next_path if request.get_param("next") else link(request, "/"))
            self._form(request, response, next_path, notice=_REASONS.get(request.get_param("reason") or ""))
            if not wants_page(request):
                _challenge(response)
            return
        try:
            self._gate.user(request)
        except Problem as problem:
            if problem.status_code != 401:
                raise
            self._form(request, response, next_path, error="Name or password is wrong.")
            _challenge(response)
            return
        raise falcon.HTTPSeeOther(link(request, "/"))

    on_head_login = on_get_login

    @open_to(VISITOR)
    def on_post_login(self, request: falcon.Request, response: falcon.Response) -> None:
        """Begins a session, under a new cookie whatever the browser had before."""
        name, next_path = text(request, "name"), own_path(text(request, "next"))
        try:
            user = self._gate.check(request, name.replace("\0", ""), text(request, "password"))
        except Problem as problem:
            error = "Name or password is wrong." if problem.status_code == 401 else problem.description
            self._form(request, response, next_path, error=error, name=name)
            response.status = 422 if problem.status_code == 401 else problem.status
            if "Retry-After" in (given := dict(problem.headers or {})):
                response.set_header("Retry-After", given["Retry-After"])
            return
        old = self._cookies.read(request)
        if old:
            self._site.sessions.end(old)
        self._cookies.write(request, response, self._site.sessions.start(user))
        response.status = 303
        response.set_header("Location", next_path if next_path != "/" else link(request, "/"))

    @open_to(VISITOR)
    def on_get_logout(self, request: falcon.Request, response: falcon.Response) -> None:
        """Ends the session if the browser says that no other page wants it; else asks with a button.

        Who is known by a password in his browser is refused, whatever it is: that is how it is made to forget it.
        """
        if session_of(request) is None:
            self._site.show(request, response, "logout.html", status=401, user=None)
            response.set_header("WWW-Authenticate", auth.CHALLENGE)
        elif request.get_header("Sec-Fetch-Site") in ("same-origin", "none"):
            self._leave(request, response)
        else:
            self._site.show(request, response, "logout.html")

    on_head_logout = on_get_logout

    @open_to("user")
    def on_post_logout(self, request: falcon.Request, response: falcon.Response) -> None:
        """Ends the session."""
        self._leave(request, response)

    def _leave(self, request: falcon.Request, response: falcon.Response) -> None:
        cookie = self._cookies.read(request)
        if cookie and request.method != "HEAD":
            self._site.sessions.end(cookie)
        self._cookies.clear(request, response)
        response.status = 303
        response.location = link(request, "/login", reason="out")

    def _form(
        self,
        request: falcon.Request,
        response: falcon.Response,
        next_path: str,
        notice: str | None = None,
        error: str | None = None,
        name: str = "",
    ) -> None:
        self._site.show(
            request, response, "login.html", next_path=next_path, notice=notice, error=error, name=name, session=None
        )
        response.append_header("Vary", "Accept")


def _challenge(response: falcon.Response) -> None:
    response.status = 401
    response.set_header("WWW-Authenticate", auth.CHALLENGE)
