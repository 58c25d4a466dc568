"""What `top` shows, apart from how."""

from __future__ import annotations

from collections.abc import Sequence

from ..app import RedisQ
from ..errors import RedisQError
from ..survey import QueueInfo, WorkerInfo
from ..urls import redact

#: Seconds in which a job that still runs was begun, to count among the waits.
_LATELY = 60.0


class View:
    """What is to be seen at the moment. `trouble`: why it is not, or only what was to be seen before."""

    def __init__(self, app: RedisQ, names: Sequence[str]) -> None:
        self.url = redact(app.settings.server.url)
        self.queues: list[QueueInfo] = []
        self.workers: list[WorkerInfo] = []
        self.trouble = ""
        self._app = app
        self._names = names
        self._survey = app.survey()

    def look(self) -> None:
        """Raises nothing that a later look may mend."""
        try:
            names = self._names or sorted(self._app.queue_names())
            self.queues = self._survey.queues(names)
            self.workers = self._survey.workers(names)
            self.trouble = ""
        except RedisQError as error:
            self.trouble = str(error)

    def waits(self) -> dict[str, list[float]]:
        """By queue: seconds from enqueued to claimed, of jobs that were begun lately."""
        waits = {queue.name: list(queue.waits) for queue in self.queues}
        for job in (job for worker in self.workers for job in worker.jobs):
            if job.waited is not None and job.held_for is not None and job.held_for < _LATELY:
                waits.setdefault(job.id.partition(".")[0], []).append(job.waited)
        return waits
