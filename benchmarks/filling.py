"""Filling a queue with very many jobs: what the library sends, by the library's script, but packed ahead.

Only the ids differ, so nearly all the time is the server's.
"""

from __future__ import annotations

from resp import Resp, pack
from servers import Server

from redisq.ids import new_id
from redisq.job import encode
from redisq.options import NO_OPTIONS, CallOptions
from redisq.producer import NewJob, spec
from redisq.scripts import ENQUEUE

#: Jobs in a call of the script, and calls that are on their way at once: the server is not to wait for us.
BATCH = 1000
AHEAD = 2
BODY = b"[[],{}]"


def fill(server: Server, base: str, jobs: int, delay: float = 0.0) -> None:
    """Enqueue so many `tasks.noop` jobs, each due after `delay` seconds."""
    connection = Resp(server.port)
    connection("SCRIPT", "LOAD", ENQUEUE.source)
    options = CallOptions(delay=delay) if delay else NO_OPTIONS
    _, *rest = spec(NewJob("", "tasks.noop", BODY, options), encode("tasks.noop", BODY, options))
    call = ("EVALSHA", ENQUEUE.sha, 1, base, "0", 0)
    tail = _words(*rest)
    under_way: list[int] = []
    while jobs or under_way:
        if jobs:
            count = min(BATCH, jobs)
            ids = (new_id().encode() for _ in range(count))
            head = b"*%d\r\n" % (len(call) + count * (1 + len(rest)))
            connection.send(head + _words(*call) + b"".join(b"$%d\r\n%b\r\n%b" % (len(id_), id_, tail) for id_ in ids))
            under_way.append(count)
            jobs -= count
        if len(under_way) >= AHEAD or not jobs:
            made = connection.receive(1)[0]
            assert len(made) == under_way.pop(0)
            assert all(type(answer) is int for answer in made)
    connection.close()


def _words(*words: bytes | str | int | float) -> bytes:
    """As they stand in a command, without its head."""
    return pack(*words).partition(b"\r\n")[2]
