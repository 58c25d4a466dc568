"""The ticker: sees to it that the ticks of a timetable become jobs.

Every supervisor has one, for the entries of the queues that it serves; there is no leader. All of them send each tick,
a few seconds early, as a job that is scheduled for it; the script takes it from the first. So it does not matter which
of them dies, and when.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import redis

from .. import keys
from ..cron import Definition
from ..endpoint import Command
from ..errors import RedisQError
from ..retry import reconnect_delays
from ..schedule import plan
from ..settings import Settings

log = logging.getLogger(__name__)

#: Seconds by which a tick is enqueued early; somewhere between, so that not all workers come at once.
EARLY = 2.5, 5.0
#: Seconds after which the server is asked for its time and the latest tick again: its clock may have been set.
ASK_EVERY = 60.0
#: Seconds until a tick is sent again that an entry's pause keeps back.
HELD = 1.0


class Line:
    """One entry, as this worker knows it: its latest tick, and when there is something to do, by the server's time."""

    def __init__(self, settings: Settings, entry: Definition, monotonic: Callable[[], float], lead: int) -> None:
        self.entry = entry
        self._settings = settings
        self._monotonic = monotonic
        self._lead = lead
        self._last: int | None = None
        self._offset = 0.0
        self._asked_at = 0.0
        self._look_at = float("-inf")
        self._sent: list[int] = []
        self._delays = reconnect_delays(longest=2.0)
        self._in_trouble = False

    def commands(self) -> list[Command]:
        """What is to be sent now; the last one's reply is for `note`."""
        now = self._monotonic() * 1000 + self._offset
        if now < self._look_at:
            return []
        self._sent = []
        if self._last is None:
            announce = ("SADD", keys.queues(self._settings.namespace), self.entry.queue)
            return [announce, self.entry.declaring(self._settings)]
        self._sent, again = plan(self.entry.schedule, self.entry.catch_up, self._last, int(now), self._lead)
        ask_at = self._asked_at * 1000 + self._offset + ASK_EVERY * 1000
        if self._sent or now >= ask_at:
            return [self.entry.ticking(self._settings, self._sent)]
        self._look_at = ask_at if again is None else min(again, ask_at)
        return []

    def note(self, reply: Any, began: float) -> None:
        """The server's reply to what was sent when it was `began`."""
        trouble = str(reply) if isinstance(reply, redis.ResponseError) else ""
        if not trouble:
            self._asked_at = self._monotonic()
            now, self._last, refusal = [*reply, None, None][:3]
            self._offset = now - (began + self._asked_at) / 2 * 1000
            self._look_at = float("-inf")
            if self._sent and self._last is not None and self._last < self._sent[-1]:
                self._look_at = now + HELD * 1000
            trouble = refusal.decode() if refusal else ""
        if trouble:
            self._look_at = (self._monotonic() + next(self._delays)) * 1000 + self._offset
            if not self._in_trouble:
                log.warning("cron.trouble entry=%s queue=%s error=%s", self.entry.name, self.entry.queue, trouble)
        elif self._in_trouble:
            self._delays = reconnect_delays(longest=2.0)
        self._in_trouble = bool(trouble)


class Ticker:
    """The lines of one supervisor. `monotonic`: seconds of a clock that only goes on."""

    def __init__(
        self,
        settings: Settings,
        entries: Sequence[Definition],
        monotonic: Callable[[], float] = time.monotonic,
        early: float | None = None,
    ) -> None:
        lead = int(1000 * (random.uniform(*EARLY) if early is None else early))
        self._settings = settings
        self._lines = [Line(settings, entry, monotonic, lead) for entry in entries]
        self._monotonic = monotonic
        self._delays = reconnect_delays(longest=2.0)
        self._not_before = float("-inf")
        self._in_trouble = False

    def look(self) -> None:
        """Send what is due, in one write, once. What fails is sent again by a later look."""
        if not self._lines or self._monotonic() < self._not_before:
            return
        sent = [(line, commands) for line in list(self._lines) if (commands := self._commands(line))]
        if not sent:
            return
        began = self._monotonic()
        try:
            replies = iter(self._settings.server.call([one for _, commands in sent for one in commands], patience=0.0))
        except RedisQError as error:
            self._not_before = self._monotonic() + next(self._delays)
            if not self._in_trouble:
                log.warning("cron.trouble error=%s", error)
            self._in_trouble = True
            return
        if self._in_trouble:
            self._in_trouble, self._delays = False, reconnect_delays(longest=2.0)
        for line, commands in sent:
            line.note(list(islice(replies, len(commands)))[-1], began)

    def _commands(self, line: Line) -> list[Command]:
        try:
            return line.commands()
        except Exception:  # of the schedule: one that cannot be reckoned must not end the worker
            log.exception("cron.broken entry=%s", line.entry.name)
            self._lines.remove(line)
            return []
