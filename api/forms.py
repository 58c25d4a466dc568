"""What a POST asks for: the fields of its body, checked one by one.

A form and a JSON object mean the same: `input_param` once is one task; `input_param[]`, a repeated `input_param` or a
JSON list is a list of tasks in the order sent.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from . import bodies
from .bodies import Body, check_depth
from .describe import Field
from .offer import Offer, TaskType
from .problems import Misfit, Problem, bad
from .webhooks.addresses import PUBLIC, URL, BadURL, Reach

MAX_DELAY = 366 * 86400  # seconds
INPUT = "input_param"
LIST = "input_param[]"
TASK = Field("task", Annotated[str, Meta(min_length=1)], "unknown_task", "the name of a task on offer")
QUEUE = Field("queue", Annotated[str, Meta(min_length=1)], "bad_queue", "the name of a queue that you were granted")
DELAY = Field(
    "delay",
    Annotated[float, Meta(ge=0, le=MAX_DELAY)],
    "bad_delay",
    f"seconds to wait before it may run, from 0 to {MAX_DELAY}",
)
CALLBACK_URL = Field(
    "callback_url", URL, "bad_callback_url", "the http or https URL, of a public host, that is told when it has ended"
)
#: The fields beside the input, each of which may be left out.
OPTIONS = (TASK, QUEUE, DELAY, CALLBACK_URL)
#: The codes of what is wrong with a body as a whole or with its inputs.
CODES = (
    "missing_input_param",
    "bad_input_param",
    "too_many_input_params",
    "ambiguous_input_param",
    "too_deep",
    *bodies.CODES,
)
_FIELDS = (INPUT, *(field.name for field in OPTIONS))
_MAX_MISFITS = 20


@dataclass(frozen=True, slots=True)
class Order:
    """The tasks to create: one for each of `inputs`. `queue` is None when the service is to choose, `callback_url` when
    nobody is to be told.
    """

    inputs: list[Any]
    is_list: bool
    task: str
    queue: str | None
    delay: float
    callback_url: str | None = None


def parse(body: Body, offer: Offer, reach: Reach = PUBLIC) -> Order:
    """The order in a body; raises the Problem for whatever is wrong with it. `reach`: where a callback may go."""
    for name in body.fields:
        if name not in _FIELDS and not (name == LIST and body.is_form):
            raise bad("unknown_field", f"There is no field {name[:100]!r}; known are {', '.join(_FIELDS)}.")
    inputs, is_list = _form_inputs(body.fields) if body.is_form else _json_inputs(body.fields)
    if not inputs or any(value is None or value == "" for value in inputs):
        raise bad("missing_input_param", "Send input_param, and not an empty one.", f"#/{INPUT}")
    if len(inputs) > offer.max_inputs:
        raise bad("too_many_input_params", f"One request may have {offer.max_inputs} input_param.")
    for value in inputs:
        check_depth(value)
    single = _singles(body.fields) if body.is_form else body.fields
    task = _task(single, offer)
    if body.is_form:
        inputs = [task.read_text(value) for value in inputs]
    _check_fit(task, inputs, is_list)
    queue = QUEUE.read(single["queue"], body.is_form) if "queue" in single else None
    delay = DELAY.read(single["delay"], body.is_form) if "delay" in single else 0.0
    callback_url = None
    if "callback_url" in single:
        callback_url = checked_url(CALLBACK_URL, CALLBACK_URL.read(single["callback_url"], body.is_form), reach)
    return Order(inputs, is_list, task.name, queue, delay, callback_url)


def checked_url(field: Field, url: str, reach: Reach) -> str:
    """A URL to which webhooks may go, or the Problem."""
    try:
        reach.check(url)
    except BadURL as error:
        raise bad(field.code, f"{field.name}: {error}", f"#/{field.name}") from None
    return url


def _form_inputs(fields: dict[str, Any]) -> tuple[list[Any], bool]:
    plain, listed = fields.get(INPUT, []), fields.get(LIST, [])
    if plain and listed:
        raise bad("ambiguous_input_param", "Send either input_param or input_param[], not both.")
    return plain or listed, bool(listed) or len(plain) > 1


def _json_inputs(fields: dict[str, Any]) -> tuple[list[Any], bool]:
    value = fields.get(INPUT)
    return (value, True) if isinstance(value, list) else ([value], False)


def _singles(fields: dict[str, Any]) -> dict[str, Any]:
    for field in OPTIONS:
        if len(fields.get(field.name, [])) > 1:
            raise bad("repeated_field", f"Send {field.name} once.", f"#/{field.name}")
    return {name: values[0] for name, values in fields.items()}


def _task(fields: dict[str, Any], offer: Offer) -> TaskType:
    if TASK.name not in fields and offer.default is None:
        raise bad("unknown_task", "This service offers no task.")
    name = fields.get(TASK.name, offer.default)
    task = offer.tasks.get(name) if isinstance(name, str) else None
    if task is None:
        raise bad("unknown_task", "There is no task of that name; GET /api/v1/task-type lists them.", f"#/{TASK.name}")
    return task


def _check_fit(task: TaskType, inputs: list[Any], is_list: bool) -> None:
    """Raises the 422 that names every place that does not fit, up to some."""
    misfits: list[Misfit] = []
    for index, value in enumerate(inputs):
        if (found := task.misfit(value)) is not None:
            misfits.append(Misfit(f"#/{INPUT}" + (f"/{index}" if is_list else "") + found[0], found[1]))
            if len(misfits) == _MAX_MISFITS:
                break
    if misfits:
        detail = f"input_param does not fit the task {task.name}: {misfits[0].detail} at {misfits[0].pointer}"
        raise Problem(422, "bad_input_param", detail, misfits=misfits)
