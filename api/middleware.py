"""What holds for every request: who may call from where, who asks, and the headers that keep browsers careful."""

import re
from collections.abc import Sequence

import falcon
from falcon.constants import COMBINED_METHODS

from .auth import Gate
from .problems import Problem
from .quotas import Quotas

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_API = "/api/"
_ADMIN = "/api/v1/admin/"
_MAY_READ = (
    "Location, Link, ETag, Retry-After, Preference-Applied, WWW-Authenticate, RateLimit, RateLimit-Policy"
)
_MAY_SEND = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer"


class Methods:
    """Makes an unknown method a 405 like any other that a path does not have; Falcon alone would say 400."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Replaces it with one that is known and that no path has."""
        if request.method not in COMBINED_METHODS:
            request.method = "TRACE"

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """An answer to OPTIONS names OPTIONS as well, as a 405 does."""
        allowed = response.get_header("Allow")
        if request.method == "OPTIONS" and allowed:
            response.set_header("Allow", f"{allowed}, OPTIONS")


class Origins:
    """CORS for a list of origins, and a stop for the pages of all others.

    `Access-Control-Allow-Credentials` is never sent: a page has to set the Authorization header by itself. What a
    browser would add, the password that somebody typed into its dialogue, is not taken from a page of another origin.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        """`allowed`: origins, in which the port may be `*`."""
        self._exact = frozenset(origin.lower() for origin in allowed if not origin.endswith(":*"))
        hosts = "|".join(re.escape(origin[:-2].lower()) for origin in allowed if origin.endswith(":*"))
        self._any_port = re.compile(rf"({hosts})(:[0-9]{{1,5}})?" if hosts else "(?!)")

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Refuses what a page of a foreign origin would change."""
        origin = request.get_header("Origin")
        if origin is None or request.method in _SAFE or self._allows(origin) or _is_own(request, origin):
            return
        raise Problem(403, "origin_not_allowed", "Pages of that origin may not do this; see REDISQ_CORS_ORIGINS.")

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Adds the CORS headers for allowed origins, also to errors, which a page wants to read as well."""
        origin = request.get_header("Origin")
        response.append_header("Vary", "Origin")
        if origin is None or not self._allows(origin):
            return
        response.set_header("Access-Control-Allow-Origin", origin)
        if request.method == "OPTIONS" and request.get_header("Access-Control-Request-Method"):
            methods = response.get_header("Allow") or "GET, HEAD, POST, DELETE"
            response.set_header("Access-Control-Allow-Methods", methods)
            response.set_header("Access-Control-Allow-Headers", _MAY_SEND)
            response.set_header("Access-Control-Max-Age", "7200")
        else:
            response.set_header("Access-Control-Expose-Headers", _MAY_READ)

    def _allows(self, origin: str) -> bool:
        origin = origin.lower()
        return origin in self._exact or self._any_port.fullmatch(origin) is not None


class Login:
    """Everything under /api/ is for users; the preflight of a browser comes without credentials.

    A token needs the scope `read` for what changes nothing and `write` for the rest, and `admin` for the paths of
    administrators.
    """

    def __init__(self, gate: Gate, quotas: Quotas) -> None:
        self._gate = gate
        self._quotas = quotas

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Sets `context.user`."""
        if not request.path.startswith(_API) or request.method == "OPTIONS":
            return
        user = request.context.user = self._gate.user(request)
        self._quotas.count_request(user, response)
        needed = "read" if request.method in _SAFE else "write"
        for scope in (needed, "admin") if f"{request.path}/".startswith(_ADMIN) else (needed,):
            if not user.may(scope):
                raise _forbidden(scope)


class Headers:
    """Headers that every answer has."""

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Sets those that the resource has not set otherwise."""
        response.set_header("X-Content-Type-Options", "nosniff")
        if response.get_header("Referrer-Policy") is None:
            response.set_header("Referrer-Policy", "no-referrer")
        if response.get_header("Content-Security-Policy") is None:
            response.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        if response.get_header("Cache-Control") is None:
            response.set_header("Cache-Control", "no-store")


def _forbidden(scope: str) -> Problem:
    challenge = f'Bearer realm="redisq", error="insufficient_scope", scope="{scope}"'
    return Problem(403, "insufficient_scope", f"This needs the scope {scope}.", {"WWW-Authenticate": challenge})


def _is_own(request: falcon.Request, origin: str) -> bool:
    # The scheme is not compared: behind a proxy that ends TLS, ours is http and the browser's https.
    host = request.get_header("Host")
    return bool(host) and origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
