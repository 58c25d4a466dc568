"""What becomes of a failed attempt: tried again, and when, or a dead letter. With the rules that only a task can have,
since they cannot be written down: exception types, and a function for the delays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from . import claimed as verdict
from .claimed import Claimed, Settlement
from .errors import GiveUp, InvalidOption, Retry
from .options import RunOptions
from .telling import describe, trace
from .times import is_seconds

log = logging.getLogger(__name__)

Types = tuple[type[BaseException], ...]


class Rules(msgspec.Struct, frozen=True):
    """A task's own rules. `backoff`: (number of the attempt that failed, its error) -> seconds until the next.

    An error that is of none of the types of `retry_on`, or of one of `give_up_on`, makes a dead letter at once.
    """

    backoff: Callable[[int, BaseException], float] | None = None
    retry_on: Types | None = None
    give_up_on: Types = ()

    @classmethod
    def take_from(cls, options: dict[str, Any]) -> Rules:
        """Taken out of a task's options, and checked: InvalidOption."""
        mine: dict[str, Any] = {
            name: _types(name, options.pop(name)) for name in ("retry_on", "give_up_on") if name in options
        }
        if callable(options.get("backoff")):
            mine["backoff"] = options.pop("backoff")
        return cls(**mine) if mine else NO_RULES

    def given(self) -> dict[str, Any]:
        """As options of a task."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in given.items() if value != getattr(NO_RULES, name)}

    def over(self, run: RunOptions) -> RunOptions:
        """A task's options for its runs: without `backoff` if a function stands for it, so that a call's own shows."""
        return msgspec.structs.replace(run, backoff=None) if self.backoff is not None else run

    def gives_up(self, error: BaseException) -> bool:
        if isinstance(error, Retry):
            return False
        unwanted = self.retry_on is not None and not isinstance(error, self.retry_on)
        return unwanted or isinstance(error, (GiveUp, *self.give_up_on))

    def delay(self, job: Claimed, error: BaseException) -> float | None:
        """What the function says; None if there is none, or if it breaks: then the usual delay holds."""
        if self.backoff is None:
            return None
        try:
            seconds = self.backoff(job.attempt, error)
        except Exception as broken:
            log.warning("task.backoff_broken task=%s error=%s", job.task_name, describe(broken))
            return None
        if not is_seconds(seconds):
            log.warning("task.backoff_broken task=%s error=%r is no delay in seconds", job.task_name, seconds)
            return None
        return seconds


NO_RULES = Rules()


def failed(
    job: Claimed,
    error: BaseException | str,
    options: RunOptions,
    retry_in: float | None = None,
    rules: Rules = NO_RULES,
) -> Settlement:
    """What an attempt becomes that failed with this error. `retry_in`: seconds until the next, whatever others say."""
    text, where = describe(error), trace(error)
    if isinstance(error, str):
        return verdict.failed(job, text, options, retry_in, where)
    if rules.gives_up(error):
        return verdict.dead(job, text, where)
    if retry_in is None and isinstance(error, Retry):
        retry_in = error.in_
    if retry_in is None and options.backoff is None and verdict.may_retry(job, options):
        retry_in = rules.delay(job, error)
    return verdict.failed(job, text, options, retry_in, where)


def _types(name: str, value: Any) -> Types:
    types = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in types):
        raise InvalidOption(f"{name}: types of exceptions, not {value!r:.200}")
    return types
