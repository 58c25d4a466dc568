"""Flow control of a task's calls: limits, and being the only one of a kind. Policies become, per call, the JSON that
hooks.lua and limits.lua read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .errors import InvalidOption

_PERIODS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_RATE = re.compile(r"(\d{1,5})/(\d{0,5})(s|min|h|d)")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
MOST = 10_000

#: A limit as the scripts have it: key, how many, in how many ms (0: at once).
Limit = tuple[str, int, int]


class Unique(msgspec.Struct, frozen=True):
    """A call that is to be the only one under `key`. `scope`: finished, started, or for how many ms.

    `replace`: one that waits gets what the call says.
    """

    key: str
    scope: str
    replace: bool


class Policy(msgspec.Struct, frozen=True):
    """What a task or a call asks for.

    `limit`: jobs that may start in a time, "3/s", "100/min", "10/5s". `concurrency`: that may run at once. Both count
    per `key`, a text or a function of the call's arguments; without one, per task and queue. `unique`: True for one
    job per task and arguments, a text, or a function of the arguments. `unique_until`: "finished", "started", or
    seconds from its being enqueued. `replace`: a waiting job gets the new call's arguments, and its delay anew.
    """

    limit: str | None = None
    concurrency: int | None = None
    key: Any = None  # not said to be a function: options are also read from JSON, where none can be
    unique: Any = False
    unique_until: str | float = "finished"
    replace: bool = False

    def with_(self, changes: Mapping[str, Any]) -> Policy:
        """A copy with other values, which are checked: InvalidOption."""
        policy = msgspec.structs.replace(self, **changes)
        limits_of("", policy.limit, policy.concurrency)
        if not (callable(policy.key) or isinstance(policy.key, str | None)):
            raise InvalidOption(f"key: a text or a function of the arguments, not {policy.key!r:.80}")
        if not (callable(policy.unique) or isinstance(policy.unique, str | bool)):
            raise InvalidOption(f"unique: True, a text or a function of the arguments, not {policy.unique!r:.80}")
        _scope(policy.unique_until)
        if policy.replace and not policy.unique:
            raise InvalidOption("replace: only of unique jobs")
        return policy

    def limits(self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Limit]:
        """Of one call."""
        if self.limit is None and self.concurrency is None:
            return []
        name = _name(task, _of_call(self.key, args, kwargs) if self.key is not None else "")
        return limits_of(name, self.limit, self.concurrency)

    def only_one(self, task: str, body: bytes, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Unique | None:
        """`body`: the arguments as JSON."""
        if not self.unique:
            return None
        what = body if self.unique is True else _of_call(self.unique, args, kwargs).encode("utf-8", "backslashreplace")
        key = hashlib.blake2b(task.encode() + b"\0" + what, digest_size=16).hexdigest()
        return Unique(key, _scope(self.unique_until), self.replace)


#: Names of a policy's options.
OPTIONS = frozenset(Policy.__struct_fields__)


def hooks(limits: Sequence[Limit], unique: Unique | None, more: Mapping[str, Any] | None = None) -> bytes:
    """The field `j` of a job's record; empty if nothing hangs on it. `more`: of workflows, see parents.lua."""
    what: dict[str, Any] = {"l": limits} if limits else {}
    what |= more or {}
    if unique is not None and not unique.scope.isdecimal():
        what["u"] = unique.key
    return msgspec.json.encode(what) if what else b""


def limits_of(name: str, rate: str | None, concurrency: int | None) -> list[Limit]:
    """What counts under this key; InvalidOption."""
    limits: list[Limit] = []
    if concurrency is not None:
        limits.append((name, _checked(concurrency), 0))
    if rate is not None:
        limits.append((name, *parse_rate(rate)))
    return limits


def parse_rate(text: str) -> tuple[int, int]:
    """ "3/s" as how many, in how many ms; InvalidOption."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    count, times = (int(match[1]), int(match[2] or 1)) if match else (0, 0)
    if match is None or not 1 <= count <= MOST or times < 1:
        raise InvalidOption(f"limit: like 3/s, 100/min, 10/5s or 1000/h, at most {MOST}, not {text!r:.80}")
    return count, times * _PERIODS[match[3]]


class QueueLimits(NamedTuple):
    """What `queue.limit` takes: `rate` such as "3/s", and `concurrency`; None for any number."""

    rate: str | None = None
    concurrency: int | None = None

    @classmethod
    def parse(cls, data: bytes | None) -> QueueLimits:
        """Of what a queue's state has of them."""
        rate, concurrency = None, None
        for _, most, ms in msgspec.json.decode(data, type=list[tuple[str, int, int]]) if data else ():
            if not ms:
                concurrency = most
            else:
                unit = next(unit for unit in reversed(_PERIODS) if ms % _PERIODS[unit] == 0)
                times = ms // _PERIODS[unit]
                rate = f"{most}/{'' if times == 1 else times}{unit}"
        return cls(rate, concurrency)


def _checked(most: Any) -> int:
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise InvalidOption(f"concurrency: a whole number from 1 to {MOST}, not {most!r:.80}")
    return most


def _scope(until: Any) -> str:
    if until in ("finished", "started"):
        return str(until)
    if isinstance(until, bool) or not isinstance(until, int | float) or not 0.001 <= until <= 1e9:
        raise InvalidOption(f"unique_until: finished, started or seconds, not {until!r:.80}")
    return str(int(until * 1000))


def _of_call(key: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    return str(key(*args, **kwargs)) if callable(key) else str(key)


def _name(task: str, key: str) -> str:
    """Of a limit: readable if it can be part of a Redis key as it is."""
    name = ":".join(filter(None, (task, key))) or "-"
    return (
        name if _PLAIN.fullmatch(name) else hashlib.blake2b(name.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    )
