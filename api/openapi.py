"""The API's document, OpenAPI 3.1, made of what the code checks with: routes, parameters, fields, and types.

Nothing here lists a path, a parameter, a field or a status code by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from . import bodies, forms
from .describe import Answer, Field, Operation, Parameter
from .offer import Offer, TaskType
from .problems import ProblemObject
from .routes import Route

Schema = dict[str, Any]

_API = "/api/"
_TEMPLATE = "#/components/schemas/{name}"
_PROBLEM = "application/problem+json"
_FORM = "application/x-www-form-urlencoded"
_ABOUT = (
    "Tasks for a queue: POST an `input_param`, get the id of a task, and its result when a worker has computed it."
    " Every path works with and without a trailing slash, and HEAD works wherever GET does. Errors are RFC 9457"
    " documents with a stable `code`."
)
#: The headers of answers.
HEADERS = {
    "Location": "where the task is, or the list of tasks",
    "Link": 'the next page, as `<path>; rel="next"`, if there is one',
    "ETag": "a tag of exactly these bytes, for If-None-Match",
    "Retry-After": "the seconds after which to ask again",
    "Preference-Applied": "that `Prefer: wait=` was heeded",
    "WWW-Authenticate": "how to log in",
    "Allow": "the methods that the path has",
}
_SECURITY = {
    "basic": {"type": "http", "scheme": "basic", "description": "name and password"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a token from `redisq-api token create`"},
}
# Errors that every path may answer, beside its own.
_EVERYWHERE: dict[int, tuple[str, ...]] = {500: ("internal_error",), 503: ("unavailable",)}
_WITH_LOGIN: dict[int, tuple[str, ...]] = {401: ("unauthorized",), 429: ("too_many_attempts",)}
_ERROR_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


def document(routes: Sequence[Route], offer: Offer) -> Schema:
    """The whole document, as plain lists and dicts."""
    described = [(route, method, found) for route in routes for method, found in route.operations()]
    types: list[Any] = [ProblemObject, *(task.type for task in offer.tasks.values())]
    types += [one.type for _, _, found in described for one in found.answers.values() if one.type is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    by_type = _Schemas(types, list(schemas))
    paths: dict[str, Schema] = {}
    for route, method, found in described:
        paths.setdefault(route.path, {})[method.lower()] = _operation(route, method, found, offer, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "redisq", "version": _version(), "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


class _Schemas:
    """The schemas of types, which need not be hashable."""

    def __init__(self, types: list[Any], schemas: list[Schema]) -> None:
        self._pairs = list(zip(types, schemas, strict=True))

    def of(self, wanted: Any) -> Schema:
        return next(schema for known, schema in self._pairs if known is wanted or known == wanted)


def _operation(route: Route, method: str, found: Operation, offer: Offer, schemas: _Schemas) -> Schema:
    needs_login = route.path.startswith(_API)
    names = re.findall(r"{(\w+)}", route.path)
    shown: Schema = {
        "operationId": _operation_id(route.path, method),
        "summary": found.summary,
        "tags": ["tasks" if needs_login else "service"],
        "security": [{name: []} for name in _SECURITY] if needs_login else [],
        "parameters": [_path_parameter(name) for name in names] + [_parameter(one) for one in found.parameters],
        "responses": {str(status): _answer(one, schemas) for status, one in found.answers.items()},
    }
    if found.text:
        shown["description"] = found.text
    if found.has_body:
        shown["requestBody"] = {"required": True, "content": _bodies(offer, schemas)}
    elif found.fields:
        content = {"schema": _fields(found.fields)}
        shown["requestBody"] = {"required": True, "content": dict.fromkeys(("application/json", _FORM), content)}
    for status, codes in sorted(_codes(found, needs_login).items()):
        shown["responses"][str(status)] = _error(status, codes, schemas)
    return shown


def _operation_id(path: str, method: str) -> str:
    words = [word for word in re.split(r"\W+", path.removeprefix("/api/v1")) if word]
    return "_".join([method.lower(), *words]).replace("-", "_")


def _codes(found: Operation, needs_login: bool) -> dict[int, tuple[str, ...]]:
    own = tuple(dict.fromkeys(one.code for one in found.parameters if one.code))
    if found.has_body:
        own += (*forms.CODES, *(field.code for field in forms.OPTIONS))
    elif found.fields:
        own += (*bodies.CODES, *(field.code for field in found.fields))
    codes: dict[int, tuple[str, ...]] = {}
    for more in ({422: own} if own else {}, found.problems, _WITH_LOGIN if needs_login else {}, _EVERYWHERE):
        for status, names in more.items():
            codes[status] = tuple(dict.fromkeys(codes.get(status, ()) + names))
    return codes


def _answer(answer: Answer, schemas: _Schemas) -> Schema:
    shown: Schema = {"description": answer.text}
    if answer.headers:
        shown["headers"] = _headers(answer.headers)
    if answer.type is not None:
        shown["content"] = {"application/json": {"schema": schemas.of(answer.type)}}
    return shown


def _error(status: int, codes: tuple[str, ...], schemas: _Schemas) -> Schema:
    shown: Schema = {
        "description": f"{HTTPStatus(status).phrase}: " + ", ".join(f"`{code}`" for code in codes),
        "content": {_PROBLEM: {"schema": schemas.of(ProblemObject)}},
    }
    if status in _ERROR_HEADERS:
        shown["headers"] = _headers(_ERROR_HEADERS[status])
    return shown


def _headers(names: tuple[str, ...]) -> Schema:
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def _path_parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameter(parameter: Parameter) -> Schema:
    schema = dict(parameter.schema)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {"name": parameter.name, "in": parameter.place, "description": parameter.text, "schema": schema}


def _bodies(offer: Offer, schemas: _Schemas) -> Schema:
    tasks = list(offer.tasks.values())
    content = {"application/json": {"schema": _any_of([_json_body(task, offer, schemas) for task in tasks])}}
    if in_forms := [body for task in tasks for body in _form_bodies(task, offer, schemas)]:
        content[_FORM] = {"schema": _any_of(in_forms)}
    return content


def _json_body(task: TaskType, offer: Offer, schemas: _Schemas) -> Schema:
    schema = schemas.of(task.type)
    one, many = _not_empty(schema, is_in_list=False), _not_empty(schema, is_in_list=True)
    return _body(task, offer, {forms.INPUT: _any_of([*one, _list_of(many, offer)])}, forms.INPUT)


def _form_bodies(task: TaskType, offer: Offer, schemas: _Schemas) -> list[Schema]:
    """A form has texts, numbers, true and false; a task that takes objects or lists is for JSON alone."""
    schema = schemas.of(task.type)
    if not schema or schema.get("type") == "string":
        values = [{"type": "string", **schema, "minLength": max(1, schema.get("minLength", 0))}]
    elif schema.get("type") in ("integer", "number", "boolean"):
        values = [schema]
    else:
        return []
    plain = _body(task, offer, {forms.INPUT: _any_of([*values, _list_of(values, offer)])}, forms.INPUT)
    return [plain, _body(task, offer, {forms.LIST: _list_of(values, offer)}, forms.LIST)]


def _body(task: TaskType, offer: Offer, properties: Schema, required: str) -> Schema:
    fields = {field.name: {**msgspec.json.schema(field.type), "description": field.text} for field in forms.OPTIONS}
    fields[forms.TASK.name] = {"const": task.name, "description": task.text or forms.TASK.text}
    is_default = task.name == offer.default
    return {
        "title": task.name,
        "type": "object",
        "properties": properties | fields,
        "required": [required] if is_default else [required, forms.TASK.name],
        "additionalProperties": False,
    }


def _fields(fields: Sequence[Field]) -> Schema:
    return {
        "type": "object",
        "properties": {one.name: {**msgspec.json.schema(one.type), "description": one.text} for one in fields},
        "required": [one.name for one in fields if one.is_required],
        "additionalProperties": False,
    }


def _not_empty(schema: Schema, is_in_list: bool) -> list[Schema]:
    """The schema of an input, which is never null or an empty text; alone it is no list, since that is several."""
    simple = schema.get("type")
    if simple == "string":
        return [{**schema, "minLength": max(1, schema.get("minLength", 0))}]
    if simple in ("integer", "number", "boolean", "object"):
        return [schema]
    if simple == "array":
        return [schema] if is_in_list else []
    kinds = ["string", "number", "boolean", "object"] + (["array"] if is_in_list else [])
    full: Schema = {"type": kinds, "minLength": 1}
    return [{"allOf": [schema, full]} if schema else full]


def _list_of(values: list[Schema], offer: Offer) -> Schema:
    return {"type": "array", "items": _any_of(values), "minItems": 1, "maxItems": offer.max_inputs}


def _any_of(schemas: list[Schema]) -> Schema:
    """One of several; `not: {}` when there are none, which nothing fits."""
    if not schemas:
        return {"not": {}}
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _version() -> str:
    try:
        return version("redisq-jobs")
    except PackageNotFoundError:  # run from a folder, without an installation
        return "0"
