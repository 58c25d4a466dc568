"""Waiting for the ends of jobs, however many, in one event loop: two connections per server (in a cluster, per slot).

Whoever ends a job leaves its id in the mailboxes of those who wait for it (see watch.lua), and a waiter blocks on its
mailboxes, one per queue. What a mailbox has told is lost if the answer is, and it is short-lived: so all jobs are
looked at again after a loss, and every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import redis

from .connection import LONGEST_BLOCK, CallLost, Route, evalsha
from .errors import ServerRefused, ServerUnavailable
from .job import STATUSES, UNFINISHED, as_hash
from .keys import NAMES
from .line import Outcome
from .loops import Loop
from .scripts import WATCH

#: Seconds after which what is waited for is looked at again.
LOOK_AGAIN = 5.0
#: Seconds until the next try, when one was given up.
TRY_AGAIN = 0.5
#: Jobs in one call of the script, and ids taken from a mailbox at once.
PAGE = 250

Fields = Mapping[bytes, bytes]


class Key(NamedTuple):
    """A job: the base of its queue, and its id there."""

    base: str
    id: str


class Ending:
    """That a job ends. `future`: its record then; empty if there is no such job. `on_tried` is called when it is known
    whether the job has ended already, or that this cannot be known now; `tried` says so afterwards.
    """

    __slots__ = ("future", "key", "on_tried", "tried", "watch")

    def __init__(self, watch: Watch, key: Key, future: asyncio.Future[Fields]) -> None:
        self.watch = watch
        self.key = key
        self.future = future
        self.tried = False
        self.on_tried: Callable[[], None] | None = None


class Watch:
    """What one event loop waits for along one route. `trouble`: why nothing is learnt at the moment."""

    def __init__(self, here: Loop, route: Route, patience: float) -> None:
        self.trouble: Exception | None = None
        self._loop = here.loop
        self._mailbox = here.mailbox
        self._line = here.line(route, patience)
        self._ear = here.line(route, patience, "ear")
        self._endings: dict[Key, set[Ending]] = {}
        self._counts: Counter[str] = Counter()  # of keys, by base
        self._to_look: dict[Key, None] = {}
        self._looking = False
        self._looked_at = 0.0
        self._bases: frozenset[str] = frozenset()  # that are listened to; none: nobody listens
        self._told_to_turn = False
        self._detours = 0

    def add(self, key: Key) -> Ending:
        """Wait for this. Cancel its future to wait no more."""
        ending = Ending(self, key, self._loop.create_future())
        ending.future.add_done_callback(lambda _: self._drop(ending))
        if key not in self._endings:
            self._endings[key] = set()
            self._counts[key.base] += 1
        self._endings[key].add(ending)
        self._to_look[key] = None
        self._loop.call_soon(self._look)  # with others that come at the same moment
        return ending

    def close(self) -> None:
        """Its lines are closed apart."""

    def _drop(self, ending: Ending) -> None:
        endings = self._endings.get(ending.key)
        if endings is not None:
            endings.discard(ending)
            if not endings:
                self._forget(ending.key)

    def _forget(self, key: Key) -> set[Ending]:
        self._counts[key.base] -= 1
        if not self._counts[key.base]:
            del self._counts[key.base]
        return self._endings.pop(key)

    # Looking: ask to be told

    def _look(self) -> None:
        if self._looking:
            return
        to_look = [key for key in self._to_look if key in self._endings]
        looking, self._to_look = to_look[:PAGE], dict.fromkeys(to_look[PAGE:])
        if not looking:
            return
        by_base: dict[str, list[str]] = {}
        for key in looking:
            by_base.setdefault(key.base, []).append(key.id)
        commands = [evalsha(WATCH, [base], [self._mailbox, *ids]) for base, ids in by_base.items()]
        self._looking = True
        self._line.call(commands, lambda outcome: self._looked(looking, outcome))
        self._listen()

    def _looked(self, keys: Sequence[Key], outcome: Outcome) -> None:
        self._looking = False
        if self._failed(keys, outcome):
            return
        assert isinstance(outcome, list)
        self.trouble = None
        bases = dict.fromkeys(key.base for key in keys)
        over = {Key(base, raw.decode()) for base, ids in zip(bases, outcome, strict=True) for raw in ids}
        self._find([key for key in keys if key in over])
        self._are_tried(key for key in keys if key not in over)
        self._look()

    def _are_tried(self, keys: Iterable[Key]) -> None:
        for ending in [ending for key in keys for ending in self._endings.get(key, ())]:
            if not ending.tried:
                ending.tried = True
                if ending.on_tried:
                    ending.on_tried()

    # Listening: be told

    def _listen(self) -> None:
        bases = frozenset(self._counts)
        if not self._bases and bases:
            self._bases = bases
            boxes = [self._box(base) for base in sorted(bases)]
            self._ear.call([("BLMPOP", LONGEST_BLOCK, len(boxes), *boxes, "RIGHT", "COUNT", PAGE)], self._heard)
        elif bases - self._bases and not self._told_to_turn:
            self._told_to_turn = True
            box = self._box(next(iter(self._bases)))
            self._line.call([("LPUSH", box, ""), ("PEXPIRE", box, 10_000)], lambda outcome: None)

    def _heard(self, outcome: Outcome) -> None:
        boxes = {self._box(base): base for base in self._bases}
        self._bases, self._told_to_turn = frozenset(), False
        if self._failed(list(self._endings), outcome):
            return
        self.trouble = None
        if self._detours != self._ear.detours or self._loop.time() - self._looked_at > LOOK_AGAIN:
            self._detours, self._looked_at = self._ear.detours, self._loop.time()
            self._to_look = dict.fromkeys(self._endings)
            self._look()
        assert isinstance(outcome, list)
        box, ids = outcome[0] or (b"", ())
        base = boxes.get(box.decode(), "")
        self._find([key for key in (Key(base, raw.decode()) for raw in ids) if key in self._endings])
        self._listen()

    # Finding: what they have ended as

    def _find(self, ended: Sequence[Key]) -> None:
        if ended:
            commands = [("HGETALL", f"{key.base}{NAMES['job']}{key.id}") for key in ended]
            self._line.call(commands, lambda outcome: self._found(ended, outcome))

    def _found(self, ended: Sequence[Key], outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            self._failed(ended, outcome)
            return
        for key, reply in zip(ended, outcome, strict=True):
            # what is of a wrong type is no job
            fields: Fields = {} if isinstance(reply, redis.ResponseError) else as_hash(reply)
            if b"v" in fields and STATUSES.get(fields.get(b"s", b"")) in UNFINISHED:  # retried meanwhile
                self._to_look[key] = None
            else:
                self._tell(key, fields)
        self._look()

    def _tell(self, key: Key, what: Fields | Exception) -> None:
        for ending in self._forget(key) if key in self._endings else ():
            if ending.future.done():
                continue
            if isinstance(what, Exception):
                ending.future.set_exception(what)
            else:
                ending.future.set_result(what)

    def _failed(self, of: Sequence[Key], outcome: Outcome) -> bool:
        """Whether it has failed. A refusal is final; what was lost is tried again for as long as somebody waits."""
        if isinstance(outcome, list):
            refusal = next((reply for reply in outcome if isinstance(reply, redis.ResponseError)), None)
            if refusal is None:
                return False
            outcome = ServerRefused(str(refusal))
            outcome.__cause__ = refusal
        if isinstance(outcome, CallLost):
            self.trouble = outcome
            self._to_look |= dict.fromkeys(of)
            self._are_tried(of)
            self._loop.call_later(TRY_AGAIN, self._resume)
        else:
            for key in of:
                self._tell(key, outcome)
        return True

    def _resume(self) -> None:
        self._look()
        self._listen()

    def _box(self, base: str) -> str:
        return f"{base}{NAMES['done']}{self._mailbox}"


async def news(endings: Sequence[Ending], timeout: float | None) -> AsyncGenerator[Ending, None]:
    """The endings as they come, until all have come or the time is up, but those that have come before in any case.
    ServerUnavailable if it is up while the server is away. Whoever stops reading waits no more.
    """
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[Ending | None] = asyncio.Queue()
    for ending in endings:
        ending.future.add_done_callback(lambda _, ending=ending: came.put_nowait(ending))  # type: ignore[misc]
        ending.on_tried = lambda: came.put_nowait(None)
    ends_at, left = None if timeout is None else loop.time() + timeout, len(endings)
    try:
        while left:
            late = ends_at is not None and loop.time() >= ends_at
            if late and came.empty() and all(ending.tried or ending.future.done() for ending in endings):
                break
            try:
                async with asyncio.timeout_at(None if late else ends_at):
                    ended = await came.get()
            except TimeoutError:
                continue
            if ended is not None:
                left -= 1
                yield ended
        away = next((one.watch.trouble for one in endings if one.watch.trouble and not one.future.done()), None)
        if away is not None:
            raise ServerUnavailable(str(away)) from away
    finally:
        for ending in endings:
            if not ending.future.cancel():
                ending.future.exception()  # nobody will ask for it
