"""What clients are told of a path, in the same objects that check what they send.

A Parameter reads a value from a request by its type, and `openapi.py` publishes that very type; an Operation stands on
the responder that it describes. So the document cannot promise what the code does not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import falcon
import msgspec

from .problems import bad

_F = TypeVar("_F", bound=Callable[..., None])
# A `+` of a time zone that nobody has encoded arrives as a space.
_SPACED_ZONE = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")


@dataclass(frozen=True)
class Parameter:
    """A value of the query string or a header: its msgspec type, and the `code` of the 422 for what does not fit."""

    name: str
    type: Any
    code: str
    text: str
    place: str = "query"
    default: Any = None

    def read(self, request: falcon.Request) -> Any:
        """The value; `default` when it is not there. The last one counts. Raises the Problem for what does not fit."""
        text = self.sent(request)
        return self.default if text is None else self.parse(text)

    def parse(self, text: str) -> Any:
        """The value that a text stands for, or the Problem."""
        if self.schema.get("format") == "date-time":
            text = _SPACED_ZONE.sub("+", text)
        try:
            return msgspec.convert(text, self.type, strict=self.schema.get("type") not in ("integer", "number"))
        except msgspec.ValidationError:
            raise bad(self.code, f"{self.name}: {self.text}") from None

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value."""
        return msgspec.json.schema(self.type)

    def sent(self, request: falcon.Request) -> str | None:
        """The text that was sent."""
        if self.place == "header":
            return request.get_header(self.name)
        values = request.get_param_as_list(self.name)
        return values[-1] if values else None


@dataclass(frozen=True)
class Field:
    """A field of a body, the same in JSON and in a form, where numbers are texts and a list is the field repeated.

    `is_required` and `is_list` are for bodies.fields; the input of a task has rules of its own.
    """

    name: str
    type: Any
    code: str
    text: str
    is_required: bool = False
    is_list: bool = False

    def read(self, value: Any, is_form: bool) -> Any:
        """The value as its type, or the Problem."""
        try:
            return msgspec.convert(_stripped(value) if is_form else value, self.type, strict=not is_form)
        except msgspec.ValidationError:
            raise bad(self.code, f"{self.name}: {self.text}", pointer=f"#/{self.name}") from None


@dataclass(frozen=True)
class Answer:
    """A success: what it means, the msgspec type of its JSON (None: it has no body), and headers it may have."""

    text: str
    type: Any = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of one path. `problems`: the codes of the errors by status, beside those of the parameters.

    Its body is none, or one that orders tasks (`has_body`), or one of `fields`.
    """

    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    answers: Mapping[int, Answer] = field(default_factory=dict)
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    has_body: bool = False
    fields: tuple[Field, ...] = ()


def operation(summary: str, **rest: Any) -> Callable[[_F], _F]:
    """Describes a responder; see Operation."""

    def describe(responder: _F) -> _F:
        responder.operation = Operation(summary, **rest)  # type: ignore[attr-defined]
        return responder

    return describe


def described(responder: Callable[..., None]) -> Operation | None:
    """The description of a responder."""
    return getattr(responder, "operation", None)



def _stripped(value: Any) -> Any:
    return [one.strip() for one in value] if isinstance(value, list) else value.strip()
