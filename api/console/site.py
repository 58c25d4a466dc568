"""Makes the answers of the console: pages from templates, and what comes back after a form."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import falcon
import jinja2
from markupsafe import Markup, escape

from .. import clock
from ..grants import BadUser
from ..problems import Problem
from ..sessions import Session, Sessions
from ..users import User
from .assets import Assets
from .guard import LIVE, address
from .live import Pace

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CODE = Markup("<code>{}</code>")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: its heading, name, path, icon (of templates/ui.html), and who is shown it."""

    section: str
    name: str
    path: str
    icon: str
    role: str = "user"


class Site:
    """What all pages share."""

    def __init__(self, sessions: Sessions, assets: Assets, **shared: object) -> None:
        """`shared`: what every template may use."""
        self.sessions = sessions
        self.places: list[Place] = []
        self._pace = Pace()
        loader = jinja2.PackageLoader(__package__)
        self._templates = jinja2.Environment(
            loader=loader,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
        )
        self._templates.globals.update(shared, asset=assets.address)
        self._templates.filters.update(
            marked=marked, iso=clock.rfc3339, moment=moment, duration=duration, number=number, size=size
        )
        for name in loader.list_templates():  # now, and not while somebody waits for the first page
            self._templates.get_template(name)

    def show(
        self,
        request: falcon.Request,
        response: falcon.Response,
        template: str,
        *,
        status: int | str = 200,
        **values: Any,
    ) -> None:
        """A page; a 304 for a script that has it already."""
        session = session_of(request)
        flashes = [] if session is None or request.get_header(LIVE) else self.sessions.flashes(session)
        shown = self._frame(request, session) | {"flashes": flashes} | values
        page = self._templates.get_template(template).render(shown).encode()
        tag = hashlib.blake2b(page, digest_size=16).hexdigest()
        headers(response)
        response.status = status
        response.etag = tag
        if request.get_header(LIVE):
            cost = time.thread_time() - getattr(request.context, "started", time.thread_time())
            response.set_header("X-Live-Next", f"{self._pace.next(cost):.1f}")
            if tag in (request.if_none_match or ()):
                response.status = 304
                return
        response.data = page
        response.content_type = "text/html; charset=utf-8"

    def done(self, request: falcon.Request, path: str, text: str, kind: str = "good") -> falcon.HTTPSeeOther:
        """What to raise when a form was carried out: goes on to a page, which will say so."""
        session = session_of(request)
        assert session is not None
        self.sessions.flash(session, kind, text)
        return falcon.HTTPSeeOther(link(request, path))

    def serialize(self, request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> bool:
        """Shows an error as a page, to whom wants pages; False for others."""
        if request.path.startswith("/api/") or not wants_page(request) or request.get_header(LIVE):
            return False
        detail = error.description or falcon.code_to_http_status(error.status).partition(" ")[2]
        self.show(request, response, "error.html", status=error.status_code, detail=detail, code=error.status_code)
        return True

    def _frame(self, request: falcon.Request, session: Session | None) -> dict[str, Any]:
        user = session.user if session else getattr(request.context, "user", None)
        places = [place for place in self.places if session and session.user.is_at_least(place.role)]
        return {
            "session": session,
            "user": user,
            "places": places,
            "path": request.path,
            "url": partial(link, request),
            "base": request.prefix,
        }


def link(request: falcon.Request, path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """The address of a path of this service, wherever it is mounted. Values that are None or empty are left out."""
    wanted = {name: value for name, value in {**(query or {}), **more}.items() if value not in (None, "")}
    return f"{request.root_path}{address(path)}" + (f"?{urlencode(wanted)}" if wanted else "")


def wants_page(request: falcon.Request) -> bool:
    """Whether a browser asks, and no program."""
    return "text/html" in (request.accept or "")


def session_of(request: falcon.Request) -> Session | None:
    """The session of who asks."""
    session: Session | None = getattr(request.context, "session", None)
    return session


def user_of(request: falcon.Request) -> User:
    """Who asks, on a page that is not for visitors."""
    session = session_of(request)
    assert session is not None
    return session.user


def actor_of(request: falcon.Request) -> str:
    """Who asks, on a page that is not for visitors, as the audit log names him."""
    return f"user:{user_of(request).name}"


def headers(response: falcon.Response) -> None:
    """What a browser is told with every page."""
    response.set_header("Content-Security-Policy", _POLICY)
    response.set_header("Referrer-Policy", "same-origin")  # with `no-referrer` a form would come from the origin `null`
    response.set_header("Cache-Control", "private, no-store")
    response.append_header("Vary", "Cookie")


def attempt(act: Callable[[], object]) -> str | None:
    """Carries out an act; the sentence that says why it was refused, or None."""
    try:
        act()
    except Problem as problem:
        if problem.status_code in (401, 500):
            raise
        return problem.description or "That was refused."
    return None


def refusal(error: BadUser) -> str:
    """The sentence that says why an act was refused."""
    message = str(error)
    return f"{message[:1].upper()}{message[1:]}."


def marked(text: str) -> Markup:
    """A text in which `this` is code, as HTML."""
    pieces = (_CODE.format(one) if index % 2 else escape(one) for index, one in enumerate(text.split("`")))
    return Markup("").join(pieces)


def moment(micros: int) -> str:
    """A time for people without JavaScript; with it, they get it in their own zone, and how long ago that was."""
    return datetime.fromtimestamp(micros // clock.SECOND, UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def duration(micros: int) -> str:
    """How long something took."""
    seconds = micros / clock.SECOND
    if seconds < 1:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: int) -> str:
    """Of so many bytes."""
    if count < 1024:
        return f"{count} B"
    for power, unit in ((3, "GiB"), (2, "MiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def number(value: int) -> str:
    """With the thousands set apart."""
    return f"{value:,}"
