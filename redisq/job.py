"""Job: one call of a task, as it was at one moment. Its form in Redis is written down here; nothing here speaks to
Redis.

Fields of the hash (short, since every waiting job has them):

=====  ==================================================  =====  ===============================================
v      version of the wire                                 d      number of its last delivery
t      task; empty for a payload without one               a      failed attempts
b      arguments or payload, JSON; empty once succeeded    u      times postponed
o      run options that the call gave, JSON                k      crashes blamed on it
e      enqueued, ms                                        q      times it was a suspect
f      feed to be told of its end                          m      1: asked to stop
i      nonce of the call, if the caller made the id        l      worker:delivery that put it back last
s      status, one letter; absent: queued                  p      progress, "done/total"
w      worker that had it last                             r x    result, JSON; error, text
c      claimed, ms                                         z      ended, ms
n      1: somebody waits for its end                       g      ms to keep it once its feed has been told
y      ms from when on only the id is known
=====  ==================================================  =====  ===============================================

Times are the server's. A feed's entry has such a record too: v, e, and what claiming writes; there, n says that the job
has ended once more since the entry was claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from .codec import Codec
from .errors import JobCancelled, JobFailed
from .ids import nonce
from .options import NO_OPTIONS, CallOptions

#: The version of the wire that this code writes, and the newest that it reads.
WIRE = 1

STATUSES = {
    b"": "queued",
    b"d": "scheduled",
    b"r": "running",
    b"s": "succeeded",
    b"f": "failed",
    b"c": "cancelled",
}
UNFINISHED = frozenset({"queued", "scheduled", "running"})

_options_encoder = msgspec.json.Encoder()


class Home(Protocol):
    """Where a job can be looked up and acted on: its queue."""

    def fetch(self, local_id: str) -> Job: ...
    def wait(self, local_id: str, timeout: float | None) -> Job: ...
    def cancel(self, local_id: str) -> Job: ...
    def revive(self, local_id: str) -> Job: ...
    def delete(self, local_id: str) -> None: ...


class Job(msgspec.Struct, frozen=True, eq=False):
    """One call of a task, as it was when it was looked at; `refresh()` looks again.

    `args` and `kwargs` (`payload` for a job without a task) are None once the job has succeeded: they are no longer
    kept. `error` is the last error's text; `progress` is None or {"done": n, "total": m}; the times are aware datetimes
    in UTC.
    """

    id: str
    queue: str
    local_id: str
    home: Home
    task: str | None
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    payload: Any = None
    status: str = "queued"
    result: Any = None
    error: str | None = None
    attempt: int = 1
    progress: dict[str, int] | None = None
    token: int = 0
    created: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<Job {self.id} task={self.task} status={self.status} attempt={self.attempt}>"

    def refresh(self) -> Job:
        """The job as it is now; JobNotFound if it is gone."""
        return self.home.fetch(self.local_id)

    def wait(self, timeout: float | None = None) -> Any:
        """The result, once the job has succeeded. JobFailed, JobCancelled; WaitTimeout after `timeout` seconds (None:
        no limit).
        """
        job = self.home.wait(self.local_id, timeout)
        if job.status == "succeeded":
            return job.result
        raise (JobFailed if job.status == "failed" else JobCancelled)(job.error or job.status)

    def cancel(self) -> Job:
        """End it before it runs; ask it to stop if it runs. Answers the job as it then is."""
        return self.home.cancel(self.local_id)

    def retry(self) -> Job:
        """Queue it again if it is a dead letter, with all its attempts before it. Answers the job as it then is."""
        return self.home.revive(self.local_id)

    def delete(self) -> None:
        """Forget it and free its id. JobRunning if it runs, JobNotFound if it is gone."""
        self.home.delete(self.local_id)


def encode(task: str, body: bytes, options: CallOptions) -> list[Any]:
    """Names and values of the fields that a call gives a new job; the server adds `e`, and `s` and `f` where they
    apply.
    """
    fields: list[Any] = ["v", WIRE, "t", task, "b", body]
    if options is NO_OPTIONS:
        return fields
    run = _options_encoder.encode(options.run)
    if run != b"{}":
        fields += "o", run
    if options.job_id is not None:
        fields += "i", nonce(8)
    return fields


def decode(
    home: Home, queue: str, local_id: str, fields: Mapping[bytes, bytes], codec: Codec, created: bool = False
) -> Job:
    """The job that a hash describes. Bytes that are no JSON are shown as text: a dead letter can hold anything."""
    status = STATUSES.get(fields.get(b"s", b""), "queued")
    task = _text(fields.get(b"t", b"")) or None
    body = _value(fields.get(b"b", b""), codec)
    call = task is not None and isinstance(body, list) and len(body) == 2
    done, slash, total = fields.get(b"p", b"").partition(b"/")
    return Job(
        id=f"{queue}.{local_id}",
        queue=queue,
        local_id=local_id,
        home=home,
        task=task,
        args=body[0] if call else None,
        kwargs=body[1] if call else None,
        payload=None if call else body,
        status=status,
        result=_value(fields[b"r"], codec) if status == "succeeded" and b"r" in fields else None,
        error=_text(fields[b"x"]) if status != "succeeded" and b"x" in fields else None,
        attempt=int(fields.get(b"a", 0)) + 1,
        progress={"done": int(done), "total": int(total)} if slash else None,
        created=created,
        token=fencing_token(int(fields.get(b"e", 0)), int(fields.get(b"d", 0))),
        created_at=_time(fields.get(b"e")),
        started_at=_time(fields.get(b"c")),
        finished_at=_time(fields.get(b"z")),
        expires_at=_time(fields.get(b"y")),
    )


def as_hash(fields: Sequence[Any]) -> dict[bytes, bytes]:
    """What encode() answers, as the hash that comes of it."""
    raw = [value if isinstance(value, bytes) else str(value).encode() for value in fields]
    return dict(zip(raw[::2], raw[1::2], strict=True))


def fencing_token(enqueued_ms: int, delivery: int) -> int:
    """Grows with each delivery; and, by the time, when the server lost everything and the job is enqueued again."""
    return enqueued_ms << 20 | delivery


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _value(data: bytes, codec: Codec) -> Any:
    if not data:
        return None
    try:
        return codec.decode(data)
    except ValueError:
        return _text(data)


def _time(ms: bytes | None) -> datetime | None:
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms else None
