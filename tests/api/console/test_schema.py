"""Where a form shows what is wrong."""

from __future__ import annotations

import pytest
from redisq_api.console import schema
from redisq_api.problems import Misfit, Problem

WANTED = schema.of(
    {
        "type": "object",
        "required": ["size", "tags"],
        "properties": {
            "size": {"type": "object", "properties": {"width": {"type": "integer"}}},
            "tags": {"type": "array", "items": {"type": "object"}},
        },
    }
)


@pytest.mark.parametrize(
    ("pointer", "field"),
    [
        ("#/input_param/0/size/width", "/size/width"),
        ("#/input_param/0/tags/3/name", "/tags"),
        ("#/input_param/0/nothing", ""),
        ("#/input_param/0", ""),
        ("#/input_param/size/width", "/size/width"),
    ],
)
def test_what_is_wrong_with_the_one_input_stands_at_its_field(pointer: str, field: str) -> None:
    assert schema.misfits(Problem(422, "x", "y", misfits=[Misfit(pointer, "no")]), WANTED) == {field: "no"}


def test_what_is_wrong_with_one_of_many_has_its_place() -> None:
    wrong = Problem(422, "x", "y", misfits=[Misfit("#/input_param/2/size", "no"), Misfit("#/delay", "nor that")])
    assert schema.misfits(wrong, None) == {"/2/size": "no"}
