"""What can be asked for when a job is enqueued, and what a task asks for all of its jobs."""

from __future__ import annotations

from typing import Any

import msgspec

from .errors import InvalidOption
from .keys import check_job_id, check_name
from .policy import OPTIONS, Policy

DURABILITIES = (None, "fsync", "replica")


class RunOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a job is run: a task's settings, over which a call's own go. They travel with the job only if a call gives
    them.

    `max_attempts`: runs until it is a dead letter. `timeout`: seconds that one run may take. `result_ttl`: seconds for
    which the record of a succeeded job is kept. `backoff`: seconds until the second attempt, doubling from there.
    """

    max_attempts: int | None = None
    timeout: float | None = None
    result_ttl: float | None = None
    backoff: float | None = None

    def over(self, other: RunOptions) -> RunOptions:
        """These, and the other's where these say nothing."""
        return RunOptions(**(other.given() | self.given()))

    def given(self) -> dict[str, Any]:
        """Those that say something."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def check(self) -> RunOptions:
        if self.max_attempts is not None and (not isinstance(self.max_attempts, int) or self.max_attempts < 1):
            raise InvalidOption(f"max_attempts: a whole number from 1 on, not {self.max_attempts!r}")
        for name, least in (("timeout", 0.001), ("result_ttl", 0.0), ("backoff", 0.0)):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and least <= value <= 1e9):
                raise InvalidOption(f"{name}: seconds from {least} on, not {value!r}")
        return self


DEFAULTS = RunOptions(max_attempts=3, timeout=300.0, result_ttl=86400.0, backoff=1.0)


class CallOptions(msgspec.Struct, frozen=True):
    """What one call asks for. `delay`: seconds until it may run. `feed`: who is told when it ends.

    `durability`: see durability.py; what the app does, if not given. `run`: see RunOptions; `policy`: see Policy.
    """

    delay: float = 0.0
    job_id: str | None = None
    feed: str | None = None
    durability: str | msgspec.UnsetType | None = msgspec.UNSET
    run: RunOptions = RunOptions()
    policy: Policy | None = None

    def with_(self, **changes: Any) -> CallOptions:
        """A copy with other values, which are checked: InvalidOption, InvalidName."""
        run = {name: changes.pop(name) for name in tuple(changes) if name in RunOptions.__struct_fields__}
        policy = {name: changes.pop(name) for name in tuple(changes) if name in OPTIONS}
        unknown = changes.keys() - {"delay", "job_id", "feed", "durability"}
        if unknown:
            raise InvalidOption(f"unknown option: {', '.join(sorted(unknown))}")
        if run:
            changes["run"] = msgspec.structs.replace(self.run, **run).check()
        if policy:
            changes["policy"] = (self.policy or Policy()).with_(policy)
        options = msgspec.structs.replace(self, **changes)
        if not (is_number(options.delay) and 0 <= options.delay <= 1e9):
            raise InvalidOption(f"delay: seconds from 0 on, not {options.delay!r}")
        if options.job_id is not None:
            check_job_id(options.job_id)
        if options.feed is not None:
            check_name(options.feed, "feed")
        if options.durability is not msgspec.UNSET and options.durability not in DURABILITIES:
            raise InvalidOption(f"durability: {', '.join(map(repr, DURABILITIES))}, not {options.durability!r}")
        return options


#: Of a call that asks for nothing.
NO_OPTIONS = CallOptions()


def is_number(value: Any) -> bool:
    """Whether it can be a number of seconds; NaN is for the caller's bounds to refuse."""
    return isinstance(value, int | float) and not isinstance(value, bool)
