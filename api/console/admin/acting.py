"""What operators do to queues and jobs, each with its entry in the audit log."""

from collections.abc import Callable

import falcon

import redisq

from ... import audit
from ...database import Database
from ..site import actor_of


class Operator:
    """Who asks, as the audit log names him."""

    def __init__(self, database: Database, request: falcon.Request) -> None:
        self._database = database
        self.name = actor_of(request)

    def act(self, act: str, subject: str, do: Callable[[], object], **detail: object) -> None:
        """Does it, and logs it; not what was refused, but what may have been done. Raises what `do` raises."""
        unknown = None
        with self._database.write():
            audit.note(self._database, self.name, act, subject, **detail)
            try:
                do()
            except redisq.ServerUnavailable as error:
                unknown = error
        if unknown is not None:
            raise unknown

    def count(self, entry: int | None, act: str, subject: str, done: int, **detail: object) -> int:
        """Logs a portion of what is done in many; see audit.count."""
        with self._database.write():
            return audit.count(self._database, entry, self.name, act, subject, done, **detail)
