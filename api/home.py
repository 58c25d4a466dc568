"""The page for people: what can be called, examples to paste, who you are; and logging in and out with HTTP Basic."""

from importlib.resources import files

import falcon
import jinja2

from . import auth, users
from .auth import Gate
from .database import Database, Unavailable
from .forms import Offer
from .problems import Problem
from .users import User

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CALLS = (
    ("GET", "/api/v1/task", "my tasks, newest first; ?status=, ?limit=, ?cursor="),
    ("POST", "/api/v1/task", "a task from input_param, or several from input_param[]; optional: task, queue, delay"),
    ("GET", "/api/v1/task/{id}", "all about a task"),
    ("GET", "/api/v1/task/{id}/status", "where it is"),
    ("GET", "/api/v1/task/{id}/result", "its result; ?wait=10 waits for it up to 10 seconds"),
    ("DELETE", "/api/v1/task/{id}", "cancel it"),
    ("DELETE", "/api/v1/task/{id}/record", "delete it, once it has ended"),
    ("GET", "/api/v1/task-type", "the tasks on offer"),
)


class Pages:
    """/, /login, /logout"""

    def __init__(self, gate: Gate, database: Database, offer: Offer) -> None:
        self._gate = gate
        self._database = database
        loader = jinja2.PackageLoader(__package__)
        self._templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._templates.globals.update(calls=_CALLS, offer=offer)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """How to use the service."""
        user, queues = self._visitor(request)
        who = f"{user.name}:PASSWORD" if user else "test:test"
        self._show(response, "home.html", user=user, queues=queues, base=request.prefix, who=who)

    on_head = on_get

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

    def _show(self, response: falcon.Response, template: str, **values: object) -> None:
        response.text = self._templates.get_template(template).render(values)
        response.content_type = "text/html; charset=utf-8"
        response.set_header("Content-Security-Policy", _POLICY)


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
