"""Where a form shows what is wrong."""

from __future__ import annotations

from redisq_api.console import schema
from redisq_api.problems import Misfit, Problem


def test_what_is_wrong_with_the_one_input_stands_at_its_field() -> None:
    wrong = Problem(422, "x", "y", misfits=[Misfit("#/input_param/0/size/width", "too much"), Misfit("#/delay", "no")])
    assert schema.misfits(wrong, True) == {"/size/width": "too much"}
    assert schema.misfits(wrong, False) == {"/0/size/width": "too much"}


def test_what_is_wrong_with_the_input_as_a_whole_has_no_place() -> None:
    assert schema.misfits(Problem(422, "x", "y", misfits=[Misfit("#/input_param/0", "no")]), True) == {"": "no"}
    assert schema.misfits(Problem(422, "x", "y", misfits=[Misfit("#/input_param/00", "no")]), True) == {"/00": "no"}
