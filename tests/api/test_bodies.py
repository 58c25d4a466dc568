"""Bodies: what can be read, and which problem the rest is."""

from __future__ import annotations

from typing import Any

import falcon
import falcon.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redisq_api import bodies
from redisq_api.problems import Problem

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def read(body: bytes, content_type: str | None, limit: int = 1000, **headers: str) -> bodies.Body:
    if content_type is not None:
        headers["Content-Type"] = content_type
    return bodies.read(falcon.testing.create_req(method="POST", body=body, headers=headers), limit)


def problem(*arguments: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as raised:
        read(*arguments, **options)
    return raised.value.status_code, raised.value.name


def test_a_form_keeps_the_order_of_repeated_fields() -> None:
    body = read(b"b=2&a=%C3%A9&b=1&c=", FORM)
    assert body.is_form
    assert body.fields == {"b": ["2", "1"], "a": ["é"], "c": [""]}


def test_json_is_any_object() -> None:
    body = read(b'{"a": [1, {"b": null}]}', "application/json; charset=UTF-8")
    assert not body.is_form
    assert body.fields == {"a": [1, {"b": None}]}


def test_nothing_at_all_is_an_empty_form() -> None:
    assert read(b"", None).fields == {}


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{", JSON, (400, "malformed_body")),
        (b"", JSON, (400, "malformed_body")),
        (b"NaN", JSON, (400, "malformed_body")),
        (b'{"a": "\xff"}', JSON, (400, "malformed_body")),
        (b'{"a": "\\ud800"}', JSON, (400, "malformed_body")),
        (b'{"a": 1} x', JSON, (400, "malformed_body")),
        (b'{"a": 1e999}', JSON, (400, "malformed_body")),
        (b"[1]", JSON, (422, "not_an_object")),
        (b"[" * 5000 + b"]" * 5000, JSON, (422, "too_deep")),
        (b"a=%ff", FORM, (400, "malformed_body")),
        (b"a=\xff", FORM, (400, "malformed_body")),
        (b"&".join(b"a=1" for _ in range(10_001)), FORM, (422, "too_many_fields")),
        (b"a=1", "text/plain", (415, "unsupported_media_type")),
        (b"a=1", None, (415, "unsupported_media_type")),
        (b"a=1", "multipart/form-data; boundary=x", (415, "unsupported_media_type")),
        (b"a=1", FORM + "; charset=latin-1", (415, "unsupported_charset")),
    ],
)
def test_what_cannot_be_read(body: bytes, content_type: str | None, expected: tuple[int, str]) -> None:
    assert problem(body, content_type, limit=100_000) == expected


def test_a_body_of_just_the_limit_is_read() -> None:
    assert read(b"a=" + b"x" * 98, FORM, limit=100).raw == b"a=" + b"x" * 98
    assert problem(b"a=" + b"x" * 99, FORM, limit=100) == (413, "too_large")


def test_a_compressed_body_is_refused() -> None:
    assert problem(b"a=1", FORM, **{"Content-Encoding": "gzip"}) == (415, "unsupported_content_encoding")


def test_a_body_shorter_than_it_says_is_malformed() -> None:
    assert problem(b"a=1", FORM, **{"Content-Length": "10"}) == (400, "malformed_body")


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}], ids=["list", "object"])
def test_depth_is_counted(wrap: Any) -> None:
    value: Any = "x"
    for _ in range(bodies.MAX_DEPTH):
        value = wrap(value)
    bodies.check_depth(value)
    with pytest.raises(Problem) as raised:
        bodies.check_depth(wrap(value))
    assert raised.value.name == "too_deep"


@given(st.binary(max_size=200), st.sampled_from([FORM, JSON]))
def test_any_bytes_are_read_or_a_problem(body: bytes, content_type: str) -> None:
    status = 200
    try:
        read(body, content_type)
    except Problem as told:
        status = told.status_code
    assert status in (200, 400, 422)
