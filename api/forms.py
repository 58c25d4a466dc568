"""What a POST asks for: the fields of its body, checked one by one.

A form and a JSON object mean the same: `input_param` once is one task; `input_param[]`, a repeated `input_param` or a
JSON list is a list of tasks in the order sent.
"""

import re
from dataclasses import dataclass
from typing import Any

from .bodies import Body, check_depth
from .problems import bad

MAX_DELAY = 366 * 86400.0
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{0,12})?")
_LIST = "input_param[]"
_FIELDS = ("input_param", "task", "queue", "delay")


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be ordered: the names of the tasks, the one that is meant when none is named, and how many at once."""

    tasks: tuple[str, ...]
    default: str | None
    max_inputs: int


@dataclass(frozen=True, slots=True)
class Order:
    """The tasks to create: one for each of `inputs`. `queue` is None when the service is to choose."""

    inputs: list[Any]
    is_list: bool
    task: str
    queue: str | None
    delay: float


def parse(body: Body, offer: Offer) -> Order:
    """The order in a body; raises the Problem for whatever is wrong with it."""
    for name in body.fields:
        if name not in _FIELDS and not (name == _LIST and body.is_form):
            raise bad("unknown_field", f"There is no field {name[:100]!r}; known are {', '.join(_FIELDS)}.")
    inputs, is_list = _form_inputs(body.fields) if body.is_form else _json_inputs(body.fields)
    if not inputs or any(value is None or value == "" for value in inputs):
        raise bad("missing_input_param", "Send input_param, and not an empty one.")
    if len(inputs) > offer.max_inputs:
        raise bad("too_many_input_params", f"One request may have {offer.max_inputs} input_param.")
    for value in inputs:
        check_depth(value)
    single = _singles(body.fields) if body.is_form else body.fields
    return Order(inputs, is_list, _task(single, offer), _queue(single), _delay(single, body.is_form))


def _form_inputs(fields: dict[str, Any]) -> tuple[list[Any], bool]:
    plain, listed = fields.get("input_param", []), fields.get(_LIST, [])
    if plain and listed:
        raise bad("ambiguous_input_param", "Send either input_param or input_param[], not both.")
    return plain or listed, bool(listed) or len(plain) > 1


def _json_inputs(fields: dict[str, Any]) -> tuple[list[Any], bool]:
    value = fields.get("input_param")
    return (value, True) if isinstance(value, list) else ([value], False)


def _singles(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("task", "queue", "delay"):
        if len(fields.get(name, [])) > 1:
            raise bad("repeated_field", f"Send {name} once.")
    return {name: values[0] for name, values in fields.items()}


def _task(fields: dict[str, Any], offer: Offer) -> str:
    name = fields.get("task", offer.default)
    if name is None:
        raise bad("unknown_task", "This service offers no task.")
    if not isinstance(name, str) or name not in offer.tasks:
        raise bad("unknown_task", "There is no task of that name; GET /api/v1/task-type lists them.")
    return name


def _queue(fields: dict[str, Any]) -> str | None:
    queue = fields.get("queue")
    if "queue" in fields and (not isinstance(queue, str) or not queue):
        raise bad("bad_queue", "queue is the name of a queue.")
    return queue


def _delay(fields: dict[str, Any], is_form: bool) -> float:
    value = fields.get("delay", 0)
    if is_form and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DELAY:
        raise bad("bad_delay", f"delay is a number of seconds from 0 to {MAX_DELAY:.0f}.")
    return float(value)
