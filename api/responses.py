"""Answers in JSON."""

import hashlib
from typing import Any

import falcon
import msgspec


def send_json(response: falcon.Response, value: Any, status: int | None = None) -> None:
    """A value as JSON, or bytes that already are. The status is 200 unless one is given, or was set before."""
    if status is not None:
        response.status = status
    response.data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    response.content_type = "application/json"


def send_tagged_json(request: falcon.Request, response: falcon.Response, value: Any) -> None:
    """JSON with an ETag, or a 304 for a client that has it. The tag is made of the bytes, and so changes with them."""
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    tag = hashlib.blake2b(data, digest_size=16).hexdigest()
    if any(known in ("*", tag) for known in request.if_none_match or ()):
        response.status = 304
    else:
        send_json(response, data)
    response.etag = tag
    response.set_header("Cache-Control", "private, no-cache")
