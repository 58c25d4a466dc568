"""What is to be told the server for a child that cannot do so itself: kept until the server has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from .. import claimed as verdict
from .. import keys
from ..app import RedisQ
from ..claimed import Claimed, Source
from ..claimer import giving_back, releasing, settling
from ..endpoint import Command
from ..errors import RedisQError
from .board import Running

#: What comes later than so many leases is pointless: others have taken back what the child held.
LEASES = 3


class Aftermath:
    """Commands on behalf of one supervisor's children. `call` sends them or raises RedisQError, told to `away`."""

    def __init__(
        self,
        app: RedisQ,
        sources: Sequence[Source],
        call: Callable[[Sequence[Command]], list[Any]],
        away: Callable[[Exception], None],
    ) -> None:
        self._app = app
        self._settings = app.settings
        self._sources = list(sources)
        self._call = call
        self._away = away
        self._left: list[tuple[float, list[Command]]] = []

    def give_back(self, worker: str, crashed: Sequence[str] = (), late: Running | None = None) -> None:
        """A child has ended: its jobs run again. `crashed`: the full ids of the jobs of which one has crashed it;
        `late`: the job that it was killed for, an attempt that has failed.
        """
        settle = self._settling_late(worker, late) if late else []
        blamed, suspects = (crashed[0], ()) if len(crashed) == 1 else ("", crashed)
        self._add([*settle, *giving_back(self._settings, self._sources, worker, blamed, suspects)])

    def release(self, worker: str, running: Running) -> None:
        """A child is busy: what waits behind its job runs elsewhere."""
        for command in releasing(self._settings, self._sources, worker, running.job_id):
            self._add([command])

    def send(self) -> None:
        """Send what is left; what cannot be sent is tried again by the next call."""
        left, self._left = self._left, []
        for since, commands in left:
            try:
                self._call(commands)
            except RedisQError as error:
                self._away(error)
                if time.monotonic() - since < LEASES * self._settings.lease:
                    self._left.append((since, commands))

    def _add(self, commands: list[Command]) -> None:
        self._left.append((time.monotonic(), commands))

    def _settling_late(self, worker: str, running: Running) -> list[Command]:
        job = self._look_up(running.job_id)
        if job is None:
            return []
        task = self._app.tasks.get(job.task_name)
        options = job.run_options(task.run_options) if task else job.run_options()
        return settling(self._settings, worker, [verdict.late(job, running.limit, options)])

    def _look_up(self, full_id: str) -> Claimed | None:
        name, local_id = keys.FullId.parse(full_id)
        source = next(source for source in self._sources if source.name == name)
        fields = ("d", "v", "t", "b", "o", "e", "a", "u", "f")
        try:
            row = self._call([("HMGET", f"{source.base}{keys.NAMES['job']}{local_id}", *fields)])[0]
        except RedisQError as error:
            self._away(error)
            return None
        return Claimed(source, local_id.encode(), int(row[0]), *row[1:]) if row[0] else None
