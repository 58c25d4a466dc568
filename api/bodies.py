"""Reading a request's body: its size, its coding, its media type, and the fields in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import falcon
import msgspec

from .describe import Field
from .problems import Problem, bad, malformed

MAX_DEPTH = 64
#: The codes of what is wrong with a body of fields as a whole.
CODES = ("unknown_field", "repeated_field", "too_many_fields", "not_an_object")
#: The codes of what cannot be read as a body, by status.
PROBLEMS: dict[int, tuple[str, ...]] = {
    400: ("malformed_body",),
    413: ("too_large",),
    415: ("unsupported_media_type", "unsupported_content_encoding", "unsupported_charset"),
}
_MAX_FIELDS = 10_000
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent. `fields` holds values as sent: lists of strings from a form, any JSON value from JSON."""

    raw: bytes
    is_form: bool
    fields: dict[str, Any]


def read(request: falcon.Request, limit: int) -> Body:
    """The decoded body of at most `limit` bytes. Raises the Problem that is the answer otherwise."""
    if request.get_header("Content-Encoding", default="identity").strip().lower() != "identity":
        raise Problem(415, "unsupported_content_encoding", "Send the body without a Content-Encoding.")
    raw = _bytes(request, limit)
    media_type, _, parameters = (request.content_type or "").partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise Problem(415, "unsupported_charset", "Send the body in UTF-8.")
    if media_type == _JSON:
        return Body(raw, False, _json(raw))
    if media_type == _FORM or (not raw and not media_type):
        return Body(raw, True, _form(raw))
    raise Problem(415, "unsupported_media_type", f"Send a form ({_FORM}) or JSON ({_JSON}).")


def fields(body: Body, known: Sequence[Field]) -> dict[str, Any]:
    """The values of the known fields that were sent. Raises the Problem for any other, and for what is missing."""
    by_name = {field.name: field for field in known}
    for name in body.fields:
        if name not in by_name:
            raise bad("unknown_field", f"There is no field {name[:100]!r}; known are {', '.join(by_name)}.")
    values: dict[str, Any] = {}
    for field in known:
        if field.name not in body.fields:
            if field.is_required:
                raise bad(field.code, f"Send {field.name}: {field.text}.", f"#/{field.name}")
            continue
        value = body.fields[field.name]
        if body.is_form and not field.is_list:
            if len(value) > 1:
                raise bad("repeated_field", f"Send {field.name} once.", f"#/{field.name}")
            value = value[0]
        values[field.name] = field.read(value, body.is_form)
    return values


def check_depth(value: Any) -> None:
    """Raises a Problem for a value with more than MAX_DEPTH lists or objects inside each other."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise _too_deep()


def _bytes(request: falcon.Request, limit: int) -> bytes:
    too_large = Problem(413, "too_large", f"The body may have {limit} bytes.")
    length = request.content_length
    if length is not None and length > limit:
        raise too_large
    if length is None and "chunked" not in request.get_header("Transfer-Encoding", default="").lower():
        return b""
    stream = request.bounded_stream if length is not None else request.stream
    try:
        raw: bytes = stream.read(limit + 1)
    except Exception as error:
        # The server parses the chunks only now, while we read; each server has exceptions of its own for bad ones.
        raise malformed("The body could not be read to its end.") from error
    if len(raw) > limit:
        raise too_large
    if length is not None and len(raw) < length:
        raise malformed("The body is shorter than its Content-Length.")
    return raw


def _json(raw: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise malformed(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise bad("not_an_object", "The body must be a JSON object.")
    return value


def _form(raw: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except UnicodeDecodeError:
        raise malformed("The form is not UTF-8.") from None
    except ValueError:
        raise bad("too_many_fields", f"A form may have {_MAX_FIELDS} fields.") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _too_deep() -> Problem:
    return bad("too_deep", f"The body is nested deeper than {MAX_DEPTH} levels.")
