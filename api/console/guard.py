"""Who may open which page, and which requests of a browser may change something.

Every responder of a page says with `@open_to(role)` who may call it at least. One that says nothing is for nobody.
"""

import hmac
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import falcon

from .. import bodies
from ..problems import Problem
from ..quotas import Quotas
from ..routes import Router
from ..sessions import Session, Sessions
from ..users import User
from .cookies import Cookies

_F = TypeVar("_F", bound=Callable[..., None])
_SAFE = ("GET", "HEAD", "OPTIONS")
#: The least role of a page for those who are not logged in.
VISITOR = "visitor"
#: Sent with a request that only keeps a page up to date: nobody needs to be there.
LIVE = "X-Live"
_TOKEN = "csrf"  # noqa: S105
_TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105
# These look after themselves: /api/ asks for credentials with every request, the others tell nothing of any user.
_NO_PAGES = ("/healthz", "/readyz", "/metrics", "/openapi.json")
# What an address may have in it as it is; `%` is of what has been quoted before.
_IN_ADDRESS = "/?&=%:@!$()*+,;~"


def open_to(role: str) -> Callable[[_F], _F]:
    """Says who may call a responder: one of users.ROLES, or VISITOR."""

    def mark(responder: _F) -> _F:
        responder.least_role = role  # type: ignore[attr-defined]
        return responder

    return mark


class Guard:
    """Middleware: sets `context.session`, and `context.form` for what changes something."""

    def __init__(
        self,
        sessions: Sessions,
        cookies: Cookies,
        router: Router,
        quotas: Quotas,
        max_body: int,
        vouched: Callable[[falcon.Request], User | None] | None = None,
    ) -> None:
        """`max_body`: bytes. `vouched`: who is logged in to the app around; a session is then for forms only."""
        self._sessions = sessions
        self._cookies = cookies
        self._router = router
        self._quotas = quotas
        self._max_body = max_body
        self._vouched = vouched

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Finds the session, also for the page that says that there is none of that address."""
        request.context.started = time.thread_time()
        if _is_page(request) and not request.path.startswith("/static/"):
            request.context.session = self._session_of(request, response)

    def process_resource(
        self, request: falcon.Request, response: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Refuses whoever may not, before the responder is called."""
        if not _is_page(request):
            return
        responder = self._router.responder(request.uri_template, request.method)
        if responder is None:  # OPTIONS, or what the path does not have
            return
        role = getattr(responder, "least_role", None)
        session = getattr(request.context, "session", None)
        if session is None and request.get_header(LIVE) is not None:  # what it is to keep up to date was of a session
            raise _log_in(request)
        if role is None:
            raise Problem(403, "forbidden", "This page is open to nobody.")
        if role != VISITOR:
            if session is None:
                raise _log_in(request) if self._vouched is None else _log_in_around()
            if not session.user.is_at_least(role):
                raise Problem(403, "forbidden", f"This needs the role {role}; you are {session.user.role}.")
        if request.method not in _SAFE:
            body = bodies.read(request, self._max_body)
            request.context.form = body.fields if body.is_form else {}
            _check_origin(request)
            if role != VISITOR and session is not None:
                _check_token(session, request.get_header(_TOKEN_HEADER) or text(request, _TOKEN))
                self._quotas.count_request(session.user, response)  # as the same by the API would be

    def _session_of(self, request: falcon.Request, response: falcon.Response) -> Session | None:
        session = self.session(request)
        if self._vouched is None:
            return session
        user = self._vouched(request)
        if user is None or (session is not None and session.user.id == user.id):
            return session if user else None
        if request.method != "GET" or "text/html" not in request.accept:
            return None
        cookie = self._sessions.start(user)
        self._cookies.write(request, response, cookie)
        return self._sessions.find(cookie)

    def user(self, request: falcon.Request) -> User | None:
        """Who calls the API with the cookie of his session; raises 403 for what a foreign page may have sent."""
        session = self.session(request)
        if session is None:
            return None
        if request.method not in _SAFE:
            _check_origin(request)
            _check_token(session, request.get_header(_TOKEN_HEADER))
        return session.user

    def session(self, request: falcon.Request) -> Session | None:
        """The session that the browser has."""
        cookie = self._cookies.read(request)
        return None if not cookie else self._sessions.find(cookie, is_use=request.get_header(LIVE) is None)


def text(request: falcon.Request, name: str) -> str:
    """A field of the form that was sent, once; empty if it was not."""
    values = request.context.form.get(name, [])
    return str(values[-1]) if values else ""


def address(path: str) -> str:
    """A path as it may stand in a header or a link, whatever somebody wrote into it."""
    return quote(path, safe=_IN_ADDRESS, errors="replace")


def own_path(value: str | None) -> str:
    """A path of this service that somebody named, as in `?next=`; / for anything that could lead elsewhere."""
    if not value or not value.startswith("/") or value[1:2] in ("/", "\\") or not value.isprintable() or "\\" in value:
        return "/"
    return address(value)


def _is_page(request: falcon.Request) -> bool:
    return not request.path.startswith("/api/") and request.path not in _NO_PAGES


def _log_in(request: falcon.Request) -> Exception:
    if request.get_header(LIVE) is not None:
        return Problem(401, "session_over", "Your session has ended. Log in again.", {"WWW-Authenticate": "Cookie"})
    query = {"next": request.relative_uri}
    if request.method not in _SAFE:  # back to the page with the form, and not to where it was sent
        query = {"next": own_path(_split(request.referer).path), "reason": "over"}
    return falcon.HTTPSeeOther(f"{request.root_path}/login?{urlencode(query)}")


def _log_in_around() -> Problem:
    detail = "You are not logged in, or your session has ended. Load the page again once you are."
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Cookie"})


def _check_origin(request: falcon.Request) -> None:
    """Only our own pages: browsers say where a request comes from, in words that no page can choose."""
    site = request.get_header("Sec-Fetch-Site")
    if site is None:  # they do not say it over plain http, but to this machine itself
        origin = _split(request.get_header("Origin"))
        site = "same-origin" if origin.netloc and origin.netloc == request.get_header("Host") else "unknown"
    if site != "same-origin":
        raise Problem(403, "cross_site", "This was not sent by a page of this service.")


def _split(url: str | None) -> SplitResult:
    try:
        return urlsplit(url or "")
    except ValueError:  # such as http://[
        return urlsplit("")


def _check_token(session: Session, sent: str | None) -> None:
    if not hmac.compare_digest((sent or "").encode("utf-8", "replace"), session.csrf.encode()):
        raise Problem(403, "csrf", "This form is of another session. Load its page again, and send it from there.")
