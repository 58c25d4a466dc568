"""The router, which also tells what it has, so that the API's document and the tests can walk every path."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from falcon.routing import CompiledRouter

from .describe import Operation, described

Responder = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A path template, such as `/api/v1/task/{task_id}`, and its responders by method."""

    path: str
    responders: dict[str, Responder]

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """The described methods. HEAD is GET without a body, and is not described by itself."""
        for method, responder in self.responders.items():
            found = described(responder)
            if found is not None and method != "HEAD":
                yield method, found


class Router(CompiledRouter):
    """Falcon's own, with a list of its routes."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: list[Route] = []
        self._responders: dict[tuple[str | None, str], Responder] = {}

    def responder(self, path: str | None, method: str) -> Responder | None:
        """What answers a method of a path template; None if the path has no such method of its own."""
        return self._responders.get((path, method))

    def add_route(self, uri_template: str, resource: object, **kwargs: Any) -> None:
        """Adds one."""
        responders = dict(self.map_http_methods(resource, **kwargs))
        self.routes.append(Route(uri_template, responders))
        self._responders |= {(uri_template, method): responder for method, responder in responders.items()}
        super().add_route(uri_template, resource, **kwargs)
