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

    def give_back(self, worker: str, crashed: Sequence[Running] = (), late: Running | None = None) -> None:
        """A child has ended: its jobs run again. `crashed`: what ran, of which one job has crashed it; `late`: what it
        was killed for, an attempt that has failed.
        """
        settle = self._settling_late(worker, late) if late else []
        ids = [running.job_id for running in crashed]
        blamed, suspects = (ids[0], []) if sum(running.jobs for running in crashed) == 1 else ("", ids)
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
        settlements = []
        for job in self._look_up(worker, running):
            task = self._app.tasks.get(job.task_name)
            options = job.run_options(task.run_options) if task else job.run_options()
            settlements.append(verdict.late(job, running.limit, options))
        return settling(self._settings, worker, settlements)

    def _look_up(self, worker: str, running: Running) -> list[Claimed]:
        """The jobs of what ran, as far as they are there."""
        name, local_id = keys.FullId.parse(running.job_id)
        source = next(source for source in self._sources if source.name == name)
        fields = ("d", "v", "t", "b", "o", "e", "a", "u", "f")
        try:
            ids = [local_id.encode()]
            if running.jobs > 1:  # side by side in the list, the last on the left
                held = self._call([("LRANGE", f"{source.base}{keys.NAMES['claimed']}{worker}", 0, -1)])[0]
                last = held.index(ids[0]) if ids[0] in held else len(held)
                ids = held[last : last + running.jobs]
            key = source.base.encode() + keys.NAMES["job"].encode()
            rows = self._call([("HMGET", key + id_, *fields) for id_ in ids])
        except RedisQError as error:
            self._away(error)
            return []
        return [Claimed(source, id_, int(row[0]), *row[1:]) for id_, row in zip(ids, rows, strict=True) if row[0]]
