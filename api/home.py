"""The page for people: what can be called, examples to paste, who you are; and logging in and out with HTTP Basic."""

from importlib.resources import files

import falcon
import jinja2
from markupsafe import Markup, escape

from . import auth, docs, users
from .auth import Gate
from .database import Database, Unavailable
from .docs import Document
from .offer import Offer
from .problems import Problem
from .users import User

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


_CODE = Markup("<code>{}</code>")


class Pages:
    """/, /docs, /login, /logout"""

    def __init__(self, gate: Gate, database: Database, offer: Offer, document: Document) -> None:
        self._gate = gate
        self._database = database
        self._offer = offer
        self._document = document
        loader = jinja2.PackageLoader(__package__)
        self._templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._templates.globals.update(offer=offer)
        self._templates.filters["marked"] = marked

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """How to use the service."""
        calls = [call for call in docs.calls(self._document.content) if call.path.startswith("/api/")]
        self._show_to_visitor(request, response, "home.html", calls=calls)

    on_head = on_get

    def on_get_docs(self, request: falcon.Request, response: falcon.Response) -> None:
        """Every call in full."""
        content = self._document.content
        shown = {"calls": docs.calls(content), "shapes": docs.shapes(content), "tasks": docs.offered(self._offer)}
        self._show_to_visitor(request, response, "docs.html", **shown)

    on_head_docs = on_get_docs

    def on_get_login(self, request: falcon.Request, response: falcon.Response) -> None:
        """Makes the browser ask for name and password, and then goes on to the first page."""
        try:
            self._gate.user(request)
        except Problem as problem:
            if problem.status_code != 401:
                raise
            self._ask(response)
            return
        raise falcon.HTTPSeeOther("/")

    on_head_login = on_get_login

    def on_get_logout(self, request: falcon.Request, response: falcon.Response) -> None:
        """Refuses what the browser sends, whatever it is: that is how it is made to forget it."""
        self._ask(response)

    on_head_logout = on_get_logout

    def _ask(self, response: falcon.Response) -> None:
        response.status = 401
        response.set_header("WWW-Authenticate", auth.CHALLENGE)
        self._show(response, "logout.html", user=None)

    def _visitor(self, request: falcon.Request) -> tuple[User | None, list[str]]:
        try:
            user = self._gate.visitor(request)
            return user, users.queues(self._database, user) if user else []
        except (Problem, Unavailable):
            return None, []

    def _show_to_visitor(
        self, request: falcon.Request, response: falcon.Response, template: str, **values: object
    ) -> None:
        user, queues = self._visitor(request)
        who = f"{user.name}:PASSWORD" if user else "test:test"
        self._show(response, template, user=user, queues=queues, base=request.prefix, who=who, **values)

    def _show(self, response: falcon.Response, template: str, **values: object) -> None:
        response.text = self._templates.get_template(template).render(values)
        response.content_type = "text/html; charset=utf-8"
        response.set_header("Content-Security-Policy", _POLICY)


def marked(text: str) -> Markup:
    """A text in which `this` is code, as HTML."""
    pieces = (_CODE.format(one) if index % 2 else escape(one) for index, one in enumerate(text.split("`")))
    return Markup("").join(pieces)


class Style:
    """/style.css"""

    def __init__(self) -> None:
        self._css = files(__package__).joinpath("templates", "style.css").read_bytes()

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The style sheet."""
        response.data = self._css
        response.content_type = "text/css; charset=utf-8"
        response.set_header("Cache-Control", "max-age=300")

    on_head = on_get
