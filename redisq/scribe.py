"""What jobs of this process log, on its way to Redis.

A line costs the job no round trip. A thread sends what all of them have logged, a few times a second; and what is left
when a job ends goes out with its settlement, in one write, before it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import redis

from .connection import Server, evalsha
from .endpoint import Command
from .errors import RedisQError
from .logline import encode
from .scripts import LOG

log = logging.getLogger(__name__)

#: Seconds for which lines are gathered, so that a job which logs much is one write and not many.
GATHER = 0.2
#: Seconds until it is tried again, when the server did not answer.
AGAIN = 1.0


class Key(NamedTuple):
    """One delivery of a job."""

    base: str
    id: bytes
    delivery: int


class Pages:
    """What one delivery of a job has logged and the server may not have: the newest `most` lines, each of `longest`
    bytes at most.
    """

    def __init__(self, key: Key, worker: str, attempt: int, most: int, longest: int) -> None:
        self._key = key
        self._worker = worker
        self._attempt = attempt
        self._most = most
        self._longest = longest
        # appended to without a lock: a job may be interrupted at any point
        self._new: deque[tuple[int, str]] = deque(maxlen=most)
        self._numbered: deque[tuple[int, bytes]] = deque(maxlen=most)
        self._number = 0
        self._sent = 0
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        self._new.append((time.time_ns() // 1_000_000, text))

    def unsent(self) -> tuple[Command, int] | None:
        """What sends the lines that the server may not have, and the number of the last. It can be sent twice."""
        base, id_, delivery = self._key
        with self._lock:
            while self._new:
                ms, text = self._new.popleft()
                self._number += 1
                line = encode(delivery, self._number, ms, self._attempt, text, self._longest)
                self._numbered.append((self._number, line))
            lines = [line for number, line in self._numbered if number > self._sent]
            args = (id_, self._worker, delivery, self._most, *lines)
            return (evalsha(LOG, [base], args), self._number) if lines else None

    def note(self, number: int) -> None:
        """The server has the lines up to this one, or will never take them."""
        with self._lock:
            self._sent = max(self._sent, number)
            while self._numbered and self._numbered[0][0] <= self._sent:
                self._numbered.popleft()


class Scribe:
    """The pages of the jobs that run in this process and have logged something, by delivery. The thread is made when
    the first does, anew after a fork.
    """

    def __init__(self) -> None:
        self.pages: dict[Key, Pages] = {}
        self._lock = threading.Lock()
        self._written = threading.Event()
        self._pid = 0
        self._closed = False

    def open(self, server: Server, key: Key, worker: str, attempt: int, most: int, longest: int) -> Pages:
        """Of one more delivery. `server`: where they are sent to."""
        if self._pid != os.getpid():  # a lock that another thread held at a fork stays locked in the child
            self.pages, self._lock, self._written = {}, threading.Lock(), threading.Event()
            self._pid, self._closed = os.getpid(), False
            threading.Thread(target=self._run, args=[server, self._pid], name="redisq-log", daemon=True).start()
        pages = Pages(key, worker, attempt, most, longest)
        with self._lock:
            self.pages[key] = pages
        return pages

    def written(self) -> None:
        """Something was added to some pages."""
        if not self._written.is_set():
            self._written.set()

    def unsent(self, keys: Iterable[Key]) -> list[Command]:
        """What is to be sent before these deliveries are settled: until then the lines are taken."""
        mine = [pages.unsent() for key in keys if (pages := self.pages.get(key))]
        return [unsent[0] for unsent in mine if unsent]

    def forget(self, keys: Iterable[Key]) -> None:
        """These are settled."""
        with self._lock:
            for key in keys:
                self.pages.pop(key, None)

    def close(self) -> None:
        self._closed, self._pid = True, 0
        self._written.set()

    def _run(self, server: Server, pid: int) -> None:
        written = self._written
        while not self._closed and self._pid == pid:
            written.wait()
            time.sleep(GATHER)
            written.clear()
            with self._lock:
                sent = [(pages, *unsent) for pages in self.pages.values() if (unsent := pages.unsent())]
            if sent and not self._send(server, sent):
                time.sleep(AGAIN)
                written.set()

    def _send(self, server: Server, sent: Sequence[tuple[Pages, Command, int]]) -> bool:
        """Whether there is an answer."""
        try:
            replies = server.call([command for _, command, _ in sent], patience=0.0)
        except RedisQError as error:
            log.debug("log.not_sent error=%s", error)
            return False
        for (pages, _, number), reply in zip(sent, replies, strict=True):
            if isinstance(reply, redis.ResponseError):
                log.warning("log.refused error=%s", reply)
            pages.note(number)
        return True
