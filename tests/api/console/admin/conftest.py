"""People with a role, who ask without a browser."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import falcon.testing
import pytest
from redisq_api.acts import Acts
from redisq_api.database import Database
from redisq_api.sessions import Sessions

from tests.api.conftest import Client, find

OWN = {"Host": "a.example", "Origin": "http://a.example", "Content-Type": "application/x-www-form-urlencoded"}


class Person:
    """Somebody who is logged in."""

    def __init__(self, client: Client, database: Database, name: str) -> None:
        self._client = client
        sessions = Sessions(database, 60, 600)
        cookie = sessions.start(find(database, name))
        session = sessions.find(cookie)
        assert session is not None
        self._csrf = session.csrf
        self._headers = OWN | {"Cookie": f"redisq={cookie}", "Accept": "text/html"}

    def get(self, path: str, **headers: str) -> falcon.testing.Result:
        """A page."""
        return self._client("GET", path, headers=self._headers | headers)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: object) -> falcon.testing.Result:
        """A form of a page."""
        body = urlencode({"csrf": self._csrf, **fields})
        return self._client("POST", path, body=body, headers=self._headers | (headers or {}))


@pytest.fixture
def person(make_client: Callable[..., Client], database: Database, redis_url: str) -> Callable[..., Person]:
    """`person("operator")`: Ann, with that role; the server is the test's, unless another is named."""

    def make(role: str, url: str = redis_url) -> Person:
        Acts(database, "test").set_role("ann", role)
        return Person(make_client(None, url), database, "ann")

    return make


@pytest.fixture
def operator(person: Callable[..., Person]) -> Person:
    return person("operator")
