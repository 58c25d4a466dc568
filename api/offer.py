"""The tasks on offer: what each takes, by the type annotation of its function's first parameter.

One type is the check and the published JSON Schema. What has no annotation, or one of which no schema can be made,
takes anything.
"""

from __future__ import annotations

import inspect
import logging
import re
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

import redisq

from .settings import Misconfigured, Settings

_log = logging.getLogger(__name__)
_PLACE = re.compile(r"(?s)(.*) - at `(?:key` in `)?\$([^`]*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|(\[\.\.\.\])")


@dataclass(frozen=True, slots=True)
class TaskType:
    """A task by name. `type`: the msgspec type of its input; `queue`: the one that its code names."""

    name: str
    type: Any = Any
    queue: str = "default"
    text: str = ""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the input."""
        return msgspec.json.schema(self.type)

    def misfit(self, value: Any) -> tuple[str, str] | None:
        """Where in the value something does not fit, as a JSON pointer, and what; None when all fits."""
        if self.type is Any:
            return None
        try:
            msgspec.convert(value, self.type)
        except msgspec.ValidationError as error:
            return None if self._fits_as_integers(value) else _place(str(error))
        return None

    def _fits_as_integers(self, value: Any) -> bool:
        """Whether it fits once 2.0 is an integer, as it is in JSON Schema."""
        with suppress(msgspec.ValidationError):
            msgspec.convert(_with_integers(value), self.type)
            return True
        return False

    def read_text(self, text: str) -> Any:
        """What a text in a form means: itself, or a number, true or false for a task that takes no text."""
        if self.type is Any or self.misfit(text) is None:
            return text
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, ValueError):
            return text
        return value if isinstance(value, bool | int | float) else text


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be ordered: the tasks by name, the one that is meant when none is named, and how many at once."""

    tasks: Mapping[str, TaskType]
    default: str | None
    max_inputs: int


class TaskTypeObject(msgspec.Struct, rename={"is_default": "default"}):
    """A task on offer. A list of `input_param` has to fit `input_schema` element by element."""

    name: str
    is_default: bool
    queue: str
    description: str
    input_schema: dict[str, Any]


def make(config: Settings, app: redisq.RedisQ) -> Offer:
    """The offer of an app. Raises Misconfigured for a name that the app does not have."""
    known = tuple(app.tasks)
    names = config.tasks or known
    for name in names:
        if name not in known:
            raise Misconfigured(f"REDISQ_API_TASKS: the app has no task {name!r}; it has {', '.join(known) or 'none'}")
    if config.task is not None and config.task not in names:
        raise Misconfigured(
            f"REDISQ_API_TASK: the app has no task {config.task!r}; it has {', '.join(names) or 'none'}"
        )
    tasks = {name: task_type(app.tasks[name]) for name in names}
    return Offer(tasks, config.task or next(iter(names), None), config.max_inputs)


def task_type(task: redisq.Task[..., Any]) -> TaskType:
    """What a registered task takes."""
    text = (inspect.getdoc(task.func) or "").partition("\n\n")[0].replace("\n", " ")
    return TaskType(task.name, _input_type(task), task.queue, text)


def task_type_object(task: TaskType, offer: Offer) -> TaskTypeObject:
    """A task as it is listed."""
    return TaskTypeObject(task.name, task.name == offer.default, task.queue, task.text, task.schema())


def _input_type(task: redisq.Task[..., Any]) -> Any:
    if task.batching is not None:  # its parameter is a list of jobs, and says nothing about the input of one
        return Any
    try:
        name = next(iter(inspect.signature(task.func).parameters), None)
        annotation = typing.get_type_hints(task.func, include_extras=True).get(name or "", Any)
        msgspec.json.schema(annotation)
    except Exception as error:  # annotations are code of others, and any exception may come out of it
        _log.warning("task.untyped name=%s error=%s", task.name, error)
        return Any
    return annotation


def _with_integers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_integers(one) for one in value]
    if isinstance(value, dict):
        return {name: _with_integers(one) for name, one in value.items()}
    return value


def _place(message: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(message)
    detail, path = (found[1], found[2]) if found else (message, "")
    pointer = ""
    for key, index, anything in _STEP.findall(path):
        if anything:  # a key that the message does not tell: the place is named up to there
            break
        pointer += "/" + (key.replace("~", "~0").replace("/", "~1") if key else index)
    return pointer, detail.replace("`", "")
