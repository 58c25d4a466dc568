"""A form from a JSON Schema, and the value from a form.

Texts, numbers, booleans, choices, objects of these and lists of texts or numbers have fields of their own; anything
else is typed as JSON. A field's name is the JSON pointer of its place in the value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..problems import Problem, bad

_MAX_DEPTH = 5
_NUMBERS = {"integer": int, "number": float}


@dataclass(frozen=True, slots=True)
class Input:
    """A field. `kind`: text, integer, number, boolean, choice, lines (a list, an element per line), json or group."""

    name: str
    label: str
    kind: str
    is_required: bool = True
    text: str = ""
    hint: str = ""
    options: Sequence[Any] = ()
    items: str = ""
    least: float | None = None
    most: float | None = None
    fields: Sequence["Input"] = field(default_factory=tuple)


def of(schema: Mapping[str, Any]) -> Input:
    """The field, or group of them, for a whole value."""
    return _input(schema, schema.get("$defs", {}), "", "input_param", True, 0)


def _input(
    schema: Mapping[str, Any], defs: Mapping[str, Any], name: str, label: str, needed: bool, depth: int
) -> Input:
    schema, needed = _resolved(schema, defs, needed)
    text = schema.get("description", "")
    kind = schema.get("type")
    if "enum" in schema:
        return Input(name, label, "choice", needed, text, options=[one for one in schema["enum"] if one is not None])
    if kind == "object" and schema.get("properties") and depth < _MAX_DEPTH:
        required = schema.get("required", ())
        fields = [
            _input(part, defs, f"{name}/{_escaped(key)}", key, key in required, depth + 1)
            for key, part in schema["properties"].items()
        ]
        return Input(name, label, "group", needed, text, fields=fields)
    if kind == "array":
        items, _ = _resolved(schema.get("items", {}), defs, True)
        if items.get("type") in ("string", "integer", "number") and "enum" not in items:
            hint = "one per line" + _range(schema, "minItems", "maxItems", "lines")
            return Input(name, label, "lines", needed, text, hint, items=items["type"])
    if kind == "string":
        hint = _range(schema, "minLength", "maxLength", "characters").lstrip(", ")
        return Input(name, label, "text", needed, text, hint)
    if kind in _NUMBERS:
        hint = f"{'a whole number' if kind == 'integer' else 'a number'}" + _range(schema, "minimum", "maximum", "")
        return Input(name, label, kind, needed, text, hint, least=schema.get("minimum"), most=schema.get("maximum"))
    if kind == "boolean":
        return Input(name, label, "boolean", needed, text)
    return Input(name, label, "json", needed, text, "as JSON")


def read(wanted: Input, form: Mapping[str, Sequence[str]]) -> Any:
    """The value of a form; raises the 422 for a text that is no number or no JSON where one is asked for."""
    value = _read(wanted, form)
    return {} if value is msgspec.UNSET and wanted.kind == "group" else (None if value is msgspec.UNSET else value)


def _read(wanted: Input, form: Mapping[str, Sequence[str]]) -> Any:
    if wanted.kind == "group":
        values = {one.label: _read(one, form) for one in wanted.fields}
        given = {key: value for key, value in values.items() if value is not msgspec.UNSET}
        return given if given or wanted.is_required else msgspec.UNSET
    text = (form.get(f"input{wanted.name}") or [""])[-1]
    if wanted.kind == "boolean":
        return text == "true" if text or wanted.is_required else msgspec.UNSET
    if wanted.kind == "lines":
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines and not wanted.is_required:
            return msgspec.UNSET
        return [_number(wanted, line, wanted.items) if wanted.items in _NUMBERS else line for line in lines]
    if text == "" and not (wanted.is_required and wanted.kind == "text"):
        return msgspec.UNSET
    if wanted.kind in _NUMBERS:
        return _number(wanted, text, wanted.kind)
    if wanted.kind == "choice":
        return next((one for one in wanted.options if str(one) == text), text)
    return from_json(text, wanted.name) if wanted.kind == "json" else text.replace("\r\n", "\n")


def from_json(text: str, place: str = "") -> Any:
    """The value of a JSON text; raises the 422."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise bad("bad_input_param", f"That is not JSON: {error}.", f"#/input_param{place}") from None


def misfits(problem: Problem, wanted: Input | None) -> dict[str, str]:
    """What is wrong, by its place; for the one value of a form, by the name of the field in which that is."""
    found = {one.pointer.removeprefix("#/input_param"): one.detail for one in problem.misfits or ()}
    found = {place: detail for place, detail in found.items() if not place.startswith("#")}
    if wanted is None:
        return found
    names = set(_names(wanted))
    return {_field_of(place, names): detail for place, detail in found.items()}


def _names(wanted: Input) -> Iterator[str]:
    yield wanted.name
    for part in wanted.fields:
        yield from _names(part)


def _field_of(place: str, names: set[str]) -> str:
    if f"{place}/".startswith("/0/"):  # the form's value is the first of a list
        place = place.removeprefix("/0")
    while place and place not in names:  # within what one field takes as JSON, or a line of it
        place = place.rpartition("/")[0]
    return place


def _number(wanted: Input, text: str, kind: str) -> int | float:
    try:
        value: object = msgspec.convert(text.strip(), _NUMBERS[kind], strict=False)
    except msgspec.ValidationError:
        what = "a whole number" if kind == "integer" else "a number"
        raise bad("bad_input_param", f"{text[:40]!r} is not {what}.", f"#/input_param{wanted.name}") from None
    assert isinstance(value, int | float)
    return value


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any], needed: bool) -> tuple[Mapping[str, Any], bool]:
    """Without references, and without null: a value that may be null need not be given."""
    if "$ref" in schema:
        schema = defs.get(schema["$ref"].rpartition("/")[2], {}) | {k: v for k, v in schema.items() if k != "$ref"}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        rest = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": rest[0] if len(rest) == 1 else rest}, needed and len(rest) == len(kinds)
    choices = schema.get("anyOf")
    if choices:
        rest = [one for one in choices if one.get("type") != "null"]
        if len(rest) == 1:
            return _resolved({**{k: v for k, v in schema.items() if k != "anyOf"}, **rest[0]}, defs, False)
    return schema, needed


def _range(schema: Mapping[str, Any], low: str, high: str, unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    parts = ([f"from {least}"] if least else []) + ([f"to {most}"] if most is not None else [])
    return ", " + " ".join([*parts, unit]).strip() if parts else ""


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
