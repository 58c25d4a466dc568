"""Job: one call of a task, as it was at one moment. Its form in Redis is written down here; nothing here speaks to
Redis.

Fields of the hash (short, since every waiting job has them):

=====  ==================================================  =====  ===============================================
v      version of the wire                                 d      number of its last delivery
t      task; empty for a payload without one               a      failed attempts
b      arguments or payload, JSON; empty once succeeded    u      times postponed
o      run options and headers that the call gave, JSON    k      crashes blamed on it
e      enqueued, ms                                        q      times it was a suspect
f      feed to be told of its end                          m      1: asked to stop
i      nonce of the call, if the caller made the id        l      worker:delivery that put it back last
s      status, one letter; absent: queued                  p      progress, "done/total"
w      worker that had it last                             r x    result, JSON; error, text
c      claimed, ms                                         z      ended, ms
n      who waits for its end: 1, mailboxes                 g      ms to keep it once its feed has been told
y      ms from when on only the id is known                j      what hangs on it, JSON; see hooks.lua
hi     its failed attempts, a line of JSON each            tb     traceback of the last error
ex     not started after it: ms from e on, or -time        sg     signature, see signing.py
=====  ==================================================  =====  ===============================================

Times are the server's. A feed's entry has such a record too: v, e, and what claiming writes; there, n says that the job
has ended once more since the entry was claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import msgspec

from . import history
from .codec import Codec, as_text
from .errors import JobCancelled, JobFailed
from .ids import nonce
from .logline import LogEntry
from .options import NO_OPTIONS, CallOptions, read_headers
from .times import as_datetime, moment, until

#: The version of the wire that this code writes, and the newest that it reads.
WIRE = 1
_WIRE = b"%d" % WIRE

STATUSES = {
    b"": "queued",
    b"d": "scheduled",
    b"r": "running",
    b"s": "succeeded",
    b"f": "failed",
    b"c": "cancelled",
}
#: Of the longest number that is read; a time of so many is still in the calendar.
_DIGITS = 14
UNFINISHED = frozenset({"queued", "scheduled", "running"})

_options_encoder = msgspec.json.Encoder()


class Parent(NamedTuple):
    """A job for which another one waits. `id`: its full id. `status`: succeeded, failed or cancelled, as it ended; None
    while it has not. `result`: of one that succeeded; `error`: of one that did not.
    """

    id: str
    status: str | None
    result: Any = None
    error: str | None = None


class Home(Protocol):
    """Where a job can be looked up and acted on: its queue."""

    def fetch(self, local_id: str) -> Job: ...
    def wait(self, local_id: str, timeout: float | None) -> Job: ...
    async def fetch_async(self, local_id: str) -> Job: ...
    async def wait_async(self, local_id: str, timeout: float | None) -> Job: ...
    def cancel(self, local_id: str) -> Job: ...
    def revive(self, local_id: str) -> Job: ...
    def delete(self, local_id: str) -> None: ...
    def logs(self, local_id: str) -> list[LogEntry]: ...
    async def logs_async(self, local_id: str) -> list[LogEntry]: ...
    def parents(self, local_id: str) -> list[Parent]: ...


class Job:
    """One call of a task, as it was when it was looked at; `refresh()` looks again. What its record says is decoded
    when it is asked for: a caller mostly wants little of it.

    `id` names its queue, `local_id` does not; `home` is the queue. `created`: whether the call that answered this job
    made it.
    """

    def __init__(
        self,
        home: Home,
        queue: str,
        local_id: str,
        fields: Mapping[bytes, bytes],
        codec: Codec,
        created: bool = False,
    ) -> None:
        self.id = f"{queue}.{local_id}"
        self.queue = queue
        self.local_id = local_id
        self.home = home
        self.created = created
        self._fields = fields
        self._codec = codec

    def __repr__(self) -> str:
        return f"<Job {self.id} task={self.task} status={self.status} attempt={self.attempt}>"

    @property
    def task(self) -> str | None:
        """Its task's name; None for a payload without one."""
        return as_text(self._fields.get(b"t", b"")) or None

    @property
    def args(self) -> list[Any] | None:
        """None once the job has succeeded: then they are no longer kept."""
        return self._body[0] if self._is_call else None

    @property
    def kwargs(self) -> dict[str, Any] | None:
        """None once the job has succeeded."""
        return self._body[1] if self._is_call else None

    @property
    def payload(self) -> Any:
        """Of a job without a task; None once it has succeeded. Bytes that are no JSON are shown as text."""
        return None if self._is_call else self._body

    @property
    def status(self) -> str:
        """scheduled, queued, running, succeeded, failed or cancelled."""
        return STATUSES.get(self._fields.get(b"s", b""), "queued")

    @cached_property
    def result(self) -> Any:
        """What the task returned, as JSON has it; None unless the job has succeeded."""
        return self._value(b"r") if self.status == "succeeded" else None

    @property
    def error(self) -> str | None:
        """The text of the last error."""
        error = self._fields.get(b"x")
        return as_text(error) if error is not None and self.status != "succeeded" else None

    @property
    def traceback(self) -> str | None:
        """Where the last error came from, the innermost frames, 8000 characters at most; None if that is not known."""
        return as_text(self._fields.get(b"tb", b"")) or None if self.error is not None else None

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Its failed attempts, the last 20: {"attempt", "started_at", "ended_at", "error"}, the error's beginning."""
        return history.read(self._fields.get(b"hi", b""))

    @property
    def attempt(self) -> int:
        """1 on the first run; crashes and releases do not raise it."""
        return _number(self._fields.get(b"a")) + 1

    @property
    def progress(self) -> dict[str, int] | None:
        """{"done": n, "total": m}, or None."""
        done, slash, total = self._fields.get(b"p", b"").partition(b"/")
        return {"done": _number(done), "total": _number(total)} if slash else None

    @cached_property
    def headers(self) -> dict[str, str]:
        """Texts by name that its call, or a middleware, gave it to carry."""
        return read_headers(self._fields.get(b"o"))

    @property
    def token(self) -> int:
        """The fencing token of its last delivery."""
        return fencing_token(_number(self._fields.get(b"e")), _number(self._fields.get(b"d")))

    @property
    def created_at(self) -> datetime | None:
        """When it was enqueued; this time and the others are aware, in UTC."""
        return _time(self._fields.get(b"e"))

    @property
    def started_at(self) -> datetime | None:
        return _time(self._fields.get(b"c"))

    @property
    def finished_at(self) -> datetime | None:
        return _time(self._fields.get(b"z"))

    @property
    def deadline(self) -> datetime | None:
        """After it the job is not started any more; None if it may always be."""
        try:
            ms = until(int(self._fields[b"ex"]), int(self._fields[b"e"]))
            return as_datetime(ms)
        except (KeyError, ValueError, OverflowError):  # it has none; or one that is none, or beyond all calendars
            return None

    @property
    def expires_at(self) -> datetime | None:
        """When only its id is known any more."""
        return _time(self._fields.get(b"y"))

    @cached_property
    def _body(self) -> Any:
        return self._value(b"b")

    @property
    def _is_call(self) -> bool:
        return self.task is not None and isinstance(self._body, list) and len(self._body) == 2

    def _value(self, field: bytes) -> Any:
        data = self._fields.get(field)
        if not data:
            return None
        try:
            return self._codec.decode(data)
        except ValueError:  # a dead letter can hold anything
            return as_text(data)

    def refresh(self) -> Job:
        """The job as it is now; JobNotFound if it is gone."""
        return self.home.fetch(self.local_id)

    def logs(self) -> list[LogEntry]:
        """What it has logged until now, the oldest first; also while it runs. Nothing if it is gone."""
        return self.home.logs(self.local_id)

    async def logs_async(self) -> list[LogEntry]:
        """As `logs`, of a coroutine."""
        return await self.home.logs_async(self.local_id)

    def wait(self, timeout: float | None = None) -> Any:
        """The result, once the job has succeeded. JobFailed, JobCancelled; WaitTimeout after `timeout` seconds (None:
        no limit).
        """
        return self.home.wait(self.local_id, timeout)._outcome()

    async def refresh_async(self) -> Job:
        """As `refresh`, of a coroutine."""
        return await self.home.fetch_async(self.local_id)

    async def wait_async(self, timeout: float | None = None) -> Any:
        """As `wait`, of a coroutine. Many at once share a connection."""
        return (await self.home.wait_async(self.local_id, timeout))._outcome()

    def _outcome(self) -> Any:
        if self.status == "succeeded":
            return self.result
        raise (JobFailed if self.status == "failed" else JobCancelled)(self.error or self.status)

    def cancel(self) -> Job:
        """End it before it runs; ask it to stop if it runs. Answers the job as it then is."""
        return self.home.cancel(self.local_id)

    def retry(self) -> Job:
        """Queue it again if it is a dead letter, with all its attempts before it. Answers the job as it then is."""
        return self.home.revive(self.local_id)

    def parents(self) -> list[Parent]:
        """The jobs for which it waits or waited, in the order in which it named them; none once it has ended, but as a
        dead letter. A round trip. JobNotFound if a result was too large to be copied, and is no longer kept.
        """
        return self.home.parents(self.local_id)

    def delete(self) -> None:
        """Forget it and free its id. JobRunning if it runs, JobNotFound if it is gone."""
        self.home.delete(self.local_id)


def encode(
    task: str,
    body: bytes,
    options: CallOptions,
    hooks: bytes = b"",
    sign: Callable[[bytes], bytes] | None = None,
) -> list[bytes]:
    """Names and values of the fields that a call gives a new job; the server adds `e`, and `s` and `f` where they
    apply. `sign`: from its run options, as they are written, to the signature.
    """
    fields = [b"v", _WIRE, b"t", task.encode(), b"b", body]
    if options is NO_OPTIONS:
        return fields if sign is None else [*fields, b"sg", sign(b"")]
    if hooks:
        fields += b"j", hooks
    run = _options_encoder.encode(options.run)
    if options.headers:
        run = _options_encoder.encode(options.run.given() | {"headers": options.headers})
    if run != b"{}":
        fields += b"o", run
    if sign is not None:
        fields += b"sg", sign(run if run != b"{}" else b"")
    if options.expires is not None:
        fields += b"ex", b"%d" % moment(options.expires)
    if options.job_id is not None:
        fields += b"i", nonce(8).encode()
    return fields


def as_hash(fields: Sequence[bytes]) -> dict[bytes, bytes]:
    """Names and values by turns, as a hash."""
    return dict(zip(fields[::2], fields[1::2], strict=True))


def fencing_token(enqueued_ms: int, delivery: int) -> int:
    """Grows with each delivery; and, by the time, when the server lost everything and the job is enqueued again."""
    return enqueued_ms << 20 | delivery


def _number(data: bytes | None) -> int:
    """0 for what is none: a record that hands have spoilt is shown as far as it can be read."""
    return int(data) if data and data.isdigit() and len(data) <= _DIGITS else 0


def _time(ms: bytes | None) -> datetime | None:
    return as_datetime(number) if (number := _number(ms)) else None
