"""Which apps a test has connected to a server of its own: only those are touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..app import RedisQ
from ..consumer import Consumers
from ..errors import InvalidOption
from ..job import Job
from ..task import Task

_connections: dict[RedisQ, Connection] = {}


class Connection:
    """An app and a test's server. `ran`: the jobs that ran here, as they were when they began, by their full ids: the
    server forgets the arguments of those that succeed.
    """

    def __init__(self, app: RedisQ) -> None:
        self.app = app
        self.consumers = Consumers(app.settings)
        self.ran: dict[str, Job] = {}


@contextmanager
def connected(app: RedisQ, url: str) -> Iterator[RedisQ]:
    """While the block lasts, the app uses the server at this URL, with all that came from it: also the tasks and queues
    that other modules have imported. `run_all` and the rest of this module refuse an app that is not in such a block.

    Nothing is deleted at this server. The fixtures empty theirs before each test. InvalidURL.
    """
    before, outer = app.settings.server.url, _connections.get(app)
    app.move_to(url)
    connection = _connections[app] = Connection(app)
    try:
        yield app
    finally:
        del _connections[app]
        if outer is not None:
            _connections[app] = outer
        connection.consumers.close()
        app.move_to(before)


def connection_of(app: RedisQ) -> Connection:
    """InvalidOption if the app is not connected: its jobs may be somebody's."""
    if not isinstance(app, RedisQ):
        raise InvalidOption(f"not an app: {app!r:.200}")
    connection = _connections.get(app)
    if connection is None:
        how = "ask for the fixture redisq_app, or use redisq.testing.connected"
        raise InvalidOption(f"{app!r} is not connected to a test's server: {how}")
    return connection


def app_of(task: Task[..., object] | str) -> RedisQ:
    """The connected app that has the task; of a name that none has, the one that is connected. InvalidOption."""
    if isinstance(task, str):
        having = [app for app in _connections if task in app.tasks] or list(_connections)
    else:
        having = [app for app in _connections if task in app.tasks.values()]
    if len(having) != 1:
        which = "no app that has it is connected" if not having else "several apps are connected: say which by app="
        raise InvalidOption(f"{task!r}: {which}")
    return having[0]
