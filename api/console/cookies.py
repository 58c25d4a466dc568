"""The cookie of a session, and whether a request came over https, on which its name depends."""

import re

import falcon

_PLAIN = "redisq"
# A browser takes this name only with Secure, from https, for the whole host: no neighbour in the domain can set it.
_SECURE = "__Host-redisq"
_NOT_OF_A_NAME = re.compile("[^A-Za-z0-9_.-]")


class Cookies:
    """Reads and writes it. `proxies`: those in front, of which the first says in X-Forwarded-Proto what it spoke."""

    def __init__(self, proxies: int) -> None:
        self._proxies = proxies

    def read(self, request: falcon.Request) -> str | None:
        """What the browser sent."""
        values = request.get_cookie_values(self._name(request))
        return values[0] if values and values[0].isascii() and len(values[0]) <= 64 else None

    def write(self, request: falcon.Request, response: falcon.Response, value: str) -> None:
        """Gives the browser a cookie, which it forgets when it is closed."""
        self._set(request, response, value, None)

    def clear(self, request: falcon.Request, response: falcon.Response) -> None:
        """Makes the browser forget it."""
        self._set(request, response, "", 0)

    def _set(self, request: falcon.Request, response: falcon.Response, value: str, max_age: int | None) -> None:
        # Lax: who follows a link to a page here is logged in. Nothing is changed by a GET.
        response.set_cookie(
            self._name(request), value, max_age=max_age, path="/",
            secure=self._is_https(request), http_only=True, same_site="Lax",
        )  # fmt: skip

    def _name(self, request: falcon.Request) -> str:
        # Services that are mounted below one host do not log each other out.
        place = _NOT_OF_A_NAME.sub("-", request.root_path)
        return (_SECURE if self._is_https(request) else _PLAIN) + place

    def _is_https(self, request: falcon.Request) -> bool:
        claimed = request.get_header("X-Forwarded-Proto") if self._proxies else None
        return (claimed or request.scheme).partition(",")[0].strip().lower() == "https"
