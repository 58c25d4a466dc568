"""What can be asked for when a job is enqueued, and what a task asks for all of its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from .errors import InvalidOption
from .keys import FullId, check_job_id, check_name
from .policy import OPTIONS, Policy
from .retry import Schedule
from .retry import check as check_backoff
from .times import check_aware, is_seconds, moment

DURABILITIES = (None, "fsync", "replica")
#: The most bytes that the headers of a job may have, as JSON.
MOST_HEADERS = 4096


class RunOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a job is run: a task's settings, over which a call's own go. They travel with the job only if a call gives
    them.

    `max_attempts`: runs until it is a dead letter. `timeout`: seconds that one run may take; `soft_timeout`: seconds
    after which it gets a SoftTimeout. `result_ttl`: seconds for which the record of a succeeded job is kept.
    `backoff`: see retry.Schedule.
    """

    max_attempts: int | None = None
    timeout: float | None = None
    soft_timeout: float | None = None
    result_ttl: float | None = None
    backoff: Schedule | None = None

    def over(self, other: RunOptions) -> RunOptions:
        """These, and the other's where these say nothing."""
        return RunOptions(**(other.given() | self.given()))

    def given(self) -> dict[str, Any]:
        """Those that say something."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def check(self) -> RunOptions:
        if self.max_attempts is not None and (not isinstance(self.max_attempts, int) or self.max_attempts < 1):
            raise InvalidOption(f"max_attempts: a whole number from 1 on, not {self.max_attempts!r}")
        for name, least in (("timeout", 0.001), ("soft_timeout", 0.001), ("result_ttl", 0.0)):
            value = getattr(self, name)
            if value is not None and not is_seconds(value, least):
                raise InvalidOption(f"{name}: seconds from {least} on, not {value!r}")
        if self.soft_timeout is not None and self.timeout is not None and self.soft_timeout >= self.timeout:
            raise InvalidOption(f"soft_timeout: less than the timeout of {self.timeout:g} s, not {self.soft_timeout:g}")
        if self.backoff is not None:
            check_backoff(self.backoff)
        return self


DEFAULTS = RunOptions(max_attempts=3, timeout=300.0, result_ttl=86400.0, backoff=1.0)


#: Of which other jobs a job may say that it waits for them, and how they must end: see After.
MODES = {"after": "s", "after_failure": "f", "after_end": "e"}
#: The most jobs for which one may wait.
MOST_PARENTS = 10_000
#: When a job is due that waits for others: see parents.lua.
NEVER = "inf"


class After(msgspec.Struct, frozen=True):
    """For which jobs, by their full ids, a job waits, and how they must end: all well (mode s), one as a dead letter
    (f), or all in any way (e).
    """

    parents: tuple[str, ...]
    mode: str

    @classmethod
    def of(cls, name: str, jobs: Any) -> After | None:
        """Of an option that gives jobs, or full ids of jobs; None for none. InvalidOption, InvalidName."""
        if isinstance(jobs, str | bytes) or not isinstance(jobs, Iterable):
            raise InvalidOption(f"{name}: a list of jobs, not {jobs!r:.100}")
        full_ids = (job if isinstance(job, str) else getattr(job, "id", "") for job in jobs)
        ids = tuple(dict.fromkeys(str(FullId.parse(full_id)) for full_id in full_ids))
        if len(ids) > MOST_PARENTS:
            raise InvalidOption(f"{name}: {MOST_PARENTS} jobs at most, not {len(ids)}")
        return cls(ids, MODES[name]) if ids else None


class CallOptions(msgspec.Struct, frozen=True):
    """What one call asks for. `delay`: seconds until it may run, or `at`: an aware datetime. `feed`: who is told when
    it ends. `expires`: seconds from its enqueueing, or an aware datetime, after which it is not started any more.
    `max_length`: jobs that may wait in the queue; the call is refused with QueueFull where as many do.
    `headers`: texts by name that travel with the job, 4 KiB at most.
    `after`, `after_failure` or `after_end`: for which jobs it waits, see After; its delay counts from their end.

    `durability`: see durability.py; what the app does, if not given. `run`: see RunOptions; `policy`: see Policy.
    """

    delay: float = 0.0
    at: datetime | None = None
    expires: float | datetime | None = None
    job_id: str | None = None
    feed: str | None = None
    durability: str | msgspec.UnsetType | None = msgspec.UNSET
    run: RunOptions = RunOptions()
    policy: Policy | None = None
    headers: dict[str, str] | None = None
    max_length: int | None = None
    after: After | None = None

    def with_(self, **changes: Any) -> CallOptions:
        """A copy with other values, which are checked: InvalidOption, InvalidName."""
        run = {name: changes.pop(name) for name in tuple(changes) if name in RunOptions.__struct_fields__}
        policy = {name: changes.pop(name) for name in tuple(changes) if name in OPTIONS}
        waits = {name: changes.pop(name) for name in MODES if name in changes}
        unknown = changes.keys() - _OF_A_CALL
        if unknown:
            raise InvalidOption(f"unknown option: {', '.join(sorted(unknown))}")
        if run:
            changes["run"] = msgspec.structs.replace(self.run, **run).check()
        if policy:
            changes["policy"] = (self.policy or Policy()).with_(policy)
        if len(waits) > 1:
            raise InvalidOption(f"{', '.join(waits)}: one of them")
        for name, jobs in waits.items():
            changes["after"] = After.of(name, jobs)
        options = msgspec.structs.replace(self, **_one_begin(changes))
        options.check_times()
        if options.job_id is not None:
            check_job_id(options.job_id)
        if options.feed is not None:
            check_name(options.feed, "feed")
        if options.max_length is not None and not (type(options.max_length) is int and options.max_length >= 1):
            raise InvalidOption(f"max_length: a whole number from 1 on, not {options.max_length!r}")
        if "headers" in changes:
            options = msgspec.structs.replace(options, headers=check_headers(options.headers) or None)
        if options.durability is not msgspec.UNSET and options.durability not in DURABILITIES:
            raise InvalidOption(f"durability: {', '.join(map(repr, DURABILITIES))}, not {options.durability!r}")
        return options

    def check_times(self) -> None:
        if not is_seconds(self.delay):
            raise InvalidOption(f"delay: seconds from 0 on, not {self.delay!r}")
        if self.at is not None:
            check_aware(self.at, "at")
        if isinstance(self.expires, datetime):
            check_aware(self.expires, "expires")
        elif self.expires is not None:
            if not is_seconds(self.expires, 0.001):
                raise InvalidOption(f"expires: seconds from 0.001 on, or an aware datetime, not {self.expires!r}")
            if self.expires <= self.delay:
                raise InvalidOption(f"expires: more than the delay of {self.delay:g} s, not {self.expires!r}")

    @property
    def begin(self) -> int:
        """When it may run, see times.moment."""
        return moment(self.delay if self.at is None else self.at)


_OF_A_CALL = frozenset(CallOptions.__struct_fields__) - {"run", "policy", "after"}
#: Of a call that asks for nothing.
NO_OPTIONS = CallOptions()


class _Headers(msgspec.Struct):
    headers: dict[str, str] = {}


_headers_decoder = msgspec.json.Decoder(_Headers)


def check_headers(headers: Any) -> dict[str, str]:
    """A copy, if they can be a job's headers; InvalidOption otherwise. None are none."""
    headers = {} if headers is None else headers
    if not isinstance(headers, Mapping) or not all(isinstance(text, str) for item in headers.items() for text in item):
        raise InvalidOption(f"headers: texts by name, not {headers!r:.200}")
    copy: dict[str, str] = dict(headers)
    try:
        size = len(msgspec.json.encode(copy)) if copy else 0
    except ValueError as error:
        raise InvalidOption(f"headers: text that can be written: {error}") from None
    if size > MOST_HEADERS:
        raise InvalidOption(f"headers: {MOST_HEADERS} bytes as JSON at most, not {size}")
    return copy


def read_headers(data: bytes | None) -> dict[str, str]:
    """Of a record's field `o`; none if they cannot be read."""
    try:
        return _headers_decoder.decode(data).headers if data else {}
    except msgspec.MsgspecError:
        return {}


def _one_begin(changes: dict[str, Any]) -> dict[str, Any]:
    """A later `at` replaces an earlier `delay`, and the other way round; both at once are a mistake."""
    if "at" in changes and "delay" in changes:
        raise InvalidOption("delay and at: one of the two")
    if "at" in changes:
        return changes | {"delay": 0.0}
    return changes | {"at": None} if "delay" in changes else changes
