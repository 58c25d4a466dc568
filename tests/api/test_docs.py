"""What a schema is called on the page."""

from __future__ import annotations

from typing import Any

import pytest
from redisq_api import docs


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "any"),
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({"type": "integer", "minimum": 1}, "integer from 1"),
        ({"type": "number", "minimum": 0, "maximum": 5}, "number from 0 to 5"),
        ({"type": ["string", "number"]}, "string or number"),
        ({"enum": ["a", "b"]}, "a, b"),
        ({"const": "a"}, "“a”"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Task"}}, "list of Task"),
    ],
)
def test_a_schema_in_words(schema: Any, text: str) -> None:
    assert "".join(piece for piece, _ in docs.types(schema)) == text


def test_a_reference_is_a_link() -> None:
    assert docs.types({"$ref": "#/components/schemas/Task"}) == [("Task", "Task")]
