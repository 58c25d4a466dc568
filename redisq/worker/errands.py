"""What a child does beside claiming, running and settling."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .. import keys
from ..claimed import Settlement, Source
from ..errors import RedisQError
from ..forward import WAITED_FOR, drain
from ..settings import Settings

log = logging.getLogger(__name__)


class Errands:
    """Of one child: sends follow-ups on, and says what is wrong. `has_forwarded`: a follow-up is to be sent on."""

    def __init__(self, settings: Settings, sources: Sequence[Source], worker: str) -> None:
        self.has_forwarded = False
        self._settings = settings
        self._sources = list(sources)
        self._worker = worker
        self._in_trouble = False

    def note(self, settled: Sequence[Settlement]) -> None:
        """These were settled: did one leave follow-ups for another queue?"""
        if any((one.follow and one.follow[0]) or (one.job.hooks and WAITED_FOR in one.job.hooks) for one in settled):
            self.has_forwarded = True

    def report(self, answers: Sequence[bytes], away: bool) -> None:
        """The server has answered the settlements so. `away`: a part of it has not."""
        if self._in_trouble and not away:
            self._in_trouble = False
            log.info("server.back worker=%s", self._worker)
        for answer in answers:
            if answer not in (b"ok", b"done"):
                log.warning("settle.refused worker=%s answer=%s", self._worker, answer.decode())

    def forward(self) -> None:
        self.has_forwarded = False
        for source in self._sources:
            try:
                while drain(self._settings, source):
                    pass
            except RedisQError as error:
                self.on_trouble(error)

    def waits(self, place: str) -> bool:
        """Whether something is there and may be claimed: one claim passes over so much garbage only, and one that holds
        a job over suspects.
        """
        looks = (("LLEN", keys.NAMES[place]), ("HEXISTS", keys.NAMES["state"], "paused"))
        commands = [(name, source.base + key, *rest) for source in self._sources for name, key, *rest in looks]
        try:
            replies = self._settings.server.call(commands, self._settings.patience)
        except RedisQError as error:
            self.on_trouble(error)
            return False
        pairs = zip(replies[::2], replies[1::2], strict=True)
        return any(isinstance(waiting, int) and waiting > 0 and paused == 0 for waiting, paused in pairs)

    def on_trouble(self, error: Exception) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            log.warning("server.trouble worker=%s error=%s", self._worker, error)
