"""/openapi.json, and the same document arranged for the page at /docs, which is plain HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import falcon
import msgspec

from . import openapi, queries
from .describe import Answer, operation
from .offer import Offer
from .openapi import Schema
from .responses import send_tagged_json
from .routes import Route

_REF = "#/components/schemas/"
_LIMITS = {"minimum": "from {}", "maximum": "to {}"}


class Document:
    """/openapi.json: made at the first request, when every route is there."""

    def __init__(self, routes: Sequence[Route], offer: Offer) -> None:
        self._routes = routes
        self._offer = offer

    @cached_property
    def content(self) -> Schema:
        """The document as lists and dicts."""
        return openapi.document(self._routes, self._offer)

    @cached_property
    def _encoded(self) -> bytes:
        return msgspec.json.encode(self.content)

    @operation(
        "Get this document",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("an OpenAPI 3.1 document", dict[str, Any], ("ETag",)), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The document."""
        root = request.root_path
        mounted = {**self.content, "servers": [{"url": root}]} if root else self._encoded
        send_tagged_json(request, response, mounted)

    on_head = on_get


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: a parameter, a field or a property; `types` are pieces of text, each with the schema it is."""

    name: str
    types: list[tuple[str, str]]
    text: str
    is_required: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One method of a path, for the page."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    example: str
    parameters: list[Row]
    fields: list[Row]
    answers: list[tuple[str, str, list[tuple[str, str]]]]
    errors: list[tuple[str, str, list[str]]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema of the document's components."""

    name: str
    text: str
    rows: list[Row]


def calls(document: Schema) -> list[Call]:
    """Every operation in the order of the routes."""
    return [
        _call(path, method.upper(), shown)
        for path, methods in document["paths"].items()
        for method, shown in methods.items()
    ]


def shapes(document: Schema) -> list[Shape]:
    """Every schema that has properties."""
    found = document["components"]["schemas"]
    return [
        Shape(name, schema.get("description", ""), _properties(schema))
        for name, schema in found.items()
        if "properties" in schema
    ]


def offered(offer: Offer) -> list[tuple[str, str, bool, str]]:
    """The tasks: name, what they do, whether it is the default, and the schema of their input as indented JSON."""
    return [
        (task.name, task.text, task.name == offer.default, json.dumps(task.schema(), indent=2))
        for task in offer.tasks.values()
    ]


def types(schema: Schema) -> list[tuple[str, str]]:
    """What a schema is in words, as pieces: each a text and the name of the component it stands for, or ""."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return [(name, name)]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _joined([types(one) for one in schema[key]])
    if "const" in schema:
        return [(f"“{schema['const']}”", "")]
    if "enum" in schema:
        return [(", ".join(map(str, schema["enum"])), "")]
    if schema.get("type") == "array":
        return [("list of ", ""), *types(schema.get("items", {}))]
    kind = schema.get("format") or schema.get("type", "any")
    limits = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    return [(" ".join([" or ".join(kind) if isinstance(kind, list) else kind, *limits]), "")]


def _joined(parts: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    joined: list[tuple[str, str]] = []
    for part in parts:
        joined += [(" or ", ""), *part] if joined else part
    return joined


def _call(path: str, method: str, shown: Schema) -> Call:
    good = {status: one for status, one in shown["responses"].items() if int(status) < 400}
    wrong = {status: one for status, one in shown["responses"].items() if int(status) >= 400}
    return Call(
        id=shown["operationId"],
        method=method,
        path=path,
        summary=shown["summary"],
        text=shown.get("description", ""),
        example=_example(path, method, shown),
        parameters=[_parameter(one) for one in shown["parameters"]],
        fields=_fields(shown),
        answers=[(status, one["description"], _content(one)) for status, one in good.items()],
        errors=[(status, *_split(one["description"])) for status, one in wrong.items()],
    )


def _example(path: str, method: str, shown: Schema) -> str:
    options = "" if method == "GET" else f"-X {method} "
    data = ' -d "input_param=qwerty"' if "requestBody" in shown else ""
    login = " -u {who}" if shown["security"] else ""
    address = "{base}" + path.replace("{task_id}", "ID")
    return f"curl {options}{address}{data}{login}"


def _parameter(shown: Schema) -> Row:
    schema = shown["schema"]
    default = f"; {schema['default']} if not given" if "default" in schema else ""
    text = shown.get("description", "") + default
    return Row(shown["name"], types(schema), text, shown.get("required", False), shown["in"])


def _fields(shown: Schema) -> list[Row]:
    if "requestBody" not in shown:
        return []
    schema = shown["requestBody"]["content"]["application/json"]["schema"]
    return _body_fields(schema.get("anyOf", [schema]))


def _body_fields(bodies: list[Schema]) -> list[Row]:
    """The fields of all tasks' bodies: they differ in the input and in the name of the task."""
    rows: dict[str, Row] = {}
    for body in bodies:
        for name, schema in body.get("properties", {}).items():
            kinds, text = types(schema), schema.get("description", "")
            if name == "input_param":
                kinds, text = [("as the task takes it", "")], "what to work on, or a list of several"
            elif name == "task":
                kinds, text = [("string", "")], "one of the tasks on offer; the default need not be named"
            rows.setdefault(name, Row(name, kinds, text, name == "input_param", "body"))
    return list(rows.values())


def _properties(schema: Schema) -> list[Row]:
    required = schema.get("required", ())
    fields = schema["properties"].items()
    return [Row(name, types(one), one.get("description", ""), name in required) for name, one in fields]


def _content(answer: Schema) -> list[tuple[str, str]]:
    return next((types(one["schema"]) for one in answer.get("content", {}).values()), [])


def _split(description: str) -> tuple[str, list[str]]:
    phrase, _, codes = description.partition(": ")
    return phrase, [code.strip("`") for code in codes.split(", ")]
