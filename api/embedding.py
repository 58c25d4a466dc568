"""The service inside of somebody else's Falcon app: under a path of it, for its users, with its rules.

What an embedder gives to `create_app` is called in the thread of the request, and may raise `falcon.HTTPError`: the
answer is a problem document like any other.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import falcon

from .forms import Order

if TYPE_CHECKING:  # older versions of Falcon have the class, but not its parameters
    WSGIApp = falcon.App[falcon.Request, falcon.Response]

#: Gets the request as the app around has it, `context` included, and tells the name of the user; None: nobody.
Authenticate = Callable[[falcon.Request], str | None]
#: Gets that request, the name of the user, and the order of a POST that is well-formed; answers the order to take.
BeforePost = Callable[[falcon.Request, str, Order], Order]

_PREFIX = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
_OUTER = "redisq.outer_request"


def as_asked(request: falcon.Request, user: str, order: Order) -> Order:
    """The hook of a service that has none."""
    return order


def outer(request: falcon.Request) -> falcon.Request:
    """The request as the app around has it; the same one if there is none."""
    found: falcon.Request = request.env.get(_OUTER, request)
    return found


def mount(app: "WSGIApp", prefix: str, service: "WSGIApp") -> None:
    """Serves `service`, which `create_app` made, under a path of another Falcon app, such as `/queue`.

    The middleware of `app` runs before and after that of the service; its error handlers do not see inside. Links,
    Location and the API's document have the prefix in them. ValueError for a prefix that is no path.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not a path to mount at: {prefix!r} (such as /queue)")

    def serve(req: falcon.Request, resp: falcon.Response, **found: Any) -> None:
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            resp.status = status
            for name, value in headers:
                resp.append_header(name, value)
            return written.append

        inside = {"SCRIPT_NAME": req.root_path + prefix, "PATH_INFO": found["rest"] or "/", _OUTER: req}
        written += service(req.env | inside, start_response)
        resp.data = b"".join(written)

    app.add_sink(serve, re.compile(rf"{re.escape(prefix)}(?P<rest>/.*)?$"))
