"""A claimed job and what becomes of it: values, and the rules of trying again. Nothing here does I/O but log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from . import retry
from .codec import as_text
from .errors import InvalidOption
from .job import WIRE, fencing_token
from .options import DEFAULTS, RunOptions, read_headers
from .settings import CRASH_LIMIT
from .signing import Signer

log = logging.getLogger(__name__)

#: The longest error text that is kept, in characters.
LONGEST_ERROR = 8000

#: Why a job is not genuine.
NOT_SIGNED = "it is not signed"
NOT_ITS_SIGNATURE = "its signature is by no known key, or of another job, queue, payload or options"

#: The error of a job whose deadline passed.
EXPIRED = "expired"

OUTCOMES = {
    "s": "succeeded",
    "f": "dead",
    "r": "retried",
    "p": "postponed",
    "l": "released",
    "c": "cancelled",
    "g": "gone",
}

_options_decoder = msgspec.json.Decoder(RunOptions)


class Source(NamedTuple):
    """A queue, or the feed of one, to claim from. `crash_limit`: crashes that make a job a dead letter; 0: none do."""

    name: str
    base: str
    crash_limit: int = CRASH_LIMIT


class Claimed(msgspec.Struct, frozen=True):
    """A job in this worker's list: the fields that it takes to run it, as they came (see job.py). `marks`: what the
    claim says of it besides, see claim.lua.
    """

    source: Source
    id: bytes
    delivery: int
    version: bytes
    task: bytes | None
    body: bytes | None
    options: bytes | None
    enqueued: bytes
    attempts: bytes | None
    postponed: bytes | None
    feed: bytes | None
    hooks: bytes | None = None
    marks: int | None = None
    signature: bytes | None = None

    @property
    def expired(self) -> bool:
        """The server's time was past its deadline."""
        return bool((self.marks or 0) & 1)

    @property
    def alone(self) -> bool:
        """It is suspected of crashing workers: whoever runs several jobs at once runs no other beside it."""
        return bool((self.marks or 0) & 2)

    @property
    def full_id(self) -> str:
        return f"{self.source.name}.{self.id.decode()}"

    @property
    def task_name(self) -> str:
        return as_text(self.task or b"")

    @property
    def attempt(self) -> int:
        return int(self.attempts or 0) + 1

    @property
    def token(self) -> int:
        return fencing_token(int(self.enqueued), self.delivery)

    @property
    def headers(self) -> dict[str, str]:
        """Texts by name that travel with the job."""
        return read_headers(self.options)

    def run_options(self, defaults: RunOptions = DEFAULTS) -> RunOptions:
        """What the call asked for, over what its task does. Options that cannot be read count as not given."""
        if self.options is None:
            return defaults
        try:
            return _options_decoder.decode(self.options).check().over(defaults)
        except (msgspec.MsgspecError, InvalidOption):
            return defaults


class Settlement(NamedTuple):
    """What became of a claimed job; settle.lua lists the ways. `ms` is a TTL or a delay; `follow` what it enqueues;
    `trace` where it failed.
    """

    job: Claimed
    way: str
    text: bytes | str = b""
    ms: int = 0
    follow: Sequence[Any] = ()
    trace: bytes = b""

    @property
    def rest(self) -> Sequence[Any]:
        """The arguments that only some ways have."""
        return [self.trace] if self.trace else self.follow

    @property
    def outcome(self) -> str:
        """The way as a word, for logs."""
        return OUTCOMES[self.way]


def succeeded(job: Claimed, result: bytes, options: RunOptions, follow: Sequence[Any] = ()) -> Settlement:
    return Settlement(job, "s", result, int((options.result_ttl or 0) * 1000), follow)


def _kept(error: str) -> bytes:
    """The text of an error as it is kept. It may quote a file's name, and so hold what UTF-8 has no form for."""
    return error[:LONGEST_ERROR].encode("utf-8", "backslashreplace")


def may_retry(job: Claimed, options: RunOptions) -> bool:
    """Whether an attempt is left after the one that runs."""
    return job.attempt < (options.max_attempts or 1)


def failed(job: Claimed, error: str, options: RunOptions, retry_in: float | None = None, trace: str = "") -> Settlement:
    """A failed attempt: retried, as long as attempts are left."""
    if not may_retry(job, options):
        return dead(job, error, trace)
    schedule = retry.BACKOFF if options.backoff is None else options.backoff
    delay = retry.backoff(job.attempt, schedule) if retry_in is None else retry_in
    return Settlement(job, "r", _kept(error), int(delay * 1000), trace=_kept(trace))


def late(job: Claimed, limit: float, options: RunOptions) -> Settlement:
    """An attempt that has failed because it ran longer than `limit` seconds."""
    return failed(job, f"timeout: it ran longer than {limit:g} s", options)


def dead(job: Claimed, error: str, trace: str = "") -> Settlement:
    """A failure that trying again would not mend."""
    return Settlement(job, "f", _kept(error), trace=_kept(trace))


def postponed(job: Claimed, error: str) -> Settlement:
    """Not understood here; perhaps by a worker that is being deployed. No attempt is counted."""
    count = int(job.postponed or 0)
    if count >= retry.POSTPONEMENTS:
        return dead(job, error)
    return Settlement(job, "p", _kept(error), int(retry.postponement(count) * 1000))


def postponed_as_newer(job: Claimed) -> Settlement:
    return postponed(job, f"its wire version {int(job.version)} is newer than this worker's {WIRE}")


def is_genuine(job: Claimed, signer: Signer) -> bool:
    """Whether somebody with one of its keys has enqueued this: here, under this id, and as it is."""
    signed = job.task or b"", job.body or b"", job.options or b"", job.signature or b""
    return signer.accepts(job.source.name, job.id, *signed)


def forged(job: Claimed) -> Settlement:
    """It is not genuine. Logs that, since somebody may be at work here."""
    why = NOT_SIGNED if job.signature is None else NOT_ITS_SIGNATURE
    log.warning("job.forged id=%s task=%r error=%s", job.full_id, job.task_name, why)
    return dead(job, f"forged: {why}")


def released(job: Claimed) -> Settlement:
    return Settlement(job, "l")


def cancelled(job: Claimed) -> Settlement:
    return Settlement(job, "c", "cancelled")


def expired(job: Claimed) -> Settlement:
    """Its deadline has passed before it was started."""
    return Settlement(job, "c", EXPIRED)


def gone(entry: Claimed) -> Settlement:
    """A feed's entry that was read."""
    return Settlement(entry, "g")
