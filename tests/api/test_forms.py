"""What a POST asks for, the same in a form and in JSON, and every way to ask wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redisq_api import forms
from redisq_api.bodies import Body
from redisq_api.forms import Order
from redisq_api.offer import Offer, TaskType
from redisq_api.problems import Problem

OFFER = Offer({name: TaskType(name) for name in ("shout", "fail")}, "shout", 3)


def form(**fields: Any) -> Body:
    """A form in which a field has one value or a list of them."""
    return Body(b"", True, {name: value if isinstance(value, list) else [value] for name, value in fields.items()})


def json(**fields: Any) -> Body:
    return Body(b"", False, fields)


def problem(body: Body, offer: Offer = OFFER) -> str:
    with pytest.raises(Problem) as raised:
        forms.parse(body, offer)
    assert raised.value.status_code == 422
    return raised.value.name


@pytest.mark.parametrize("kind", [form, json])
def test_one_input(kind: Any) -> None:
    assert forms.parse(kind(input_param="qwerty"), OFFER) == Order(["qwerty"], False, "shout", None, 0.0)


@pytest.mark.parametrize(
    "body",
    [form(**{"input_param[]": ["asd", "zxc"]}), form(input_param=["asd", "zxc"]), json(input_param=["asd", "zxc"])],
    ids=["brackets", "repeated", "json"],
)
def test_several_inputs(body: Body) -> None:
    assert forms.parse(body, OFFER) == Order(["asd", "zxc"], True, "shout", None, 0.0)


def test_a_list_of_one_is_a_list() -> None:
    assert forms.parse(form(**{"input_param[]": "asd"}), OFFER).is_list
    assert forms.parse(json(input_param=["asd"]), OFFER).is_list


def test_a_list_as_one_input() -> None:
    assert forms.parse(json(input_param=[["a", "b"]]), OFFER).inputs == [["a", "b"]]


@pytest.mark.parametrize("value", [0, False, {}, {"a": None}, 1.5])
def test_json_inputs_of_any_type(value: Any) -> None:
    assert forms.parse(json(input_param=value), OFFER).inputs == [value]


def test_the_options() -> None:
    expected = Order(["x"], False, "fail", "high", 2.5)
    assert forms.parse(form(input_param="x", task="fail", queue="high", delay="2.5"), OFFER) == expected
    assert forms.parse(json(input_param="x", task="fail", queue="high", delay=2.5), OFFER) == expected


@pytest.mark.parametrize(
    "body",
    [
        form(),
        json(),
        form(input_param=""),
        json(input_param=""),
        json(input_param=None),
        json(input_param=[]),
        form(input_param=["a", ""]),
        json(input_param=["a", None]),
        form(**{"input_param[]": ""}),
    ],
)
def test_a_missing_input(body: Body) -> None:
    assert problem(body) == "missing_input_param"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(input_param="x", extra="1"), "unknown_field"),
        (json(**{"input_param[]": ["x"]}), "unknown_field"),
        (form(**{"input_param": "x", "input_param[]": "y"}), "ambiguous_input_param"),
        (form(input_param=["1", "2", "3", "4"]), "too_many_input_params"),
        (json(input_param="x", task="nope"), "unknown_task"),
        (json(input_param="x", task=["shout"]), "unknown_task"),
        (json(input_param="x", task=None), "unknown_task"),
        (form(input_param="x", task=["shout", "fail"]), "repeated_field"),
        (json(input_param="x", queue=7), "bad_queue"),
        (form(input_param="x", queue=""), "bad_queue"),
    ],
)
def test_what_is_not_acceptable(body: Body, code: str) -> None:
    assert problem(body) == code


@pytest.mark.parametrize("delay", ["", "-1", "1e", "1_0", "nan", "inf", "soon", "٣", "99999999999"])
def test_bad_delays_of_a_form(delay: str) -> None:
    assert problem(form(input_param="x", delay=delay)) == "bad_delay"


@pytest.mark.parametrize("delay", [-1, True, "5", None, [], 10**400, forms.MAX_DELAY + 1])
def test_bad_delays_of_json(delay: Any) -> None:
    assert problem(json(input_param="x", delay=delay)) == "bad_delay"


def test_an_app_without_tasks_offers_none() -> None:
    assert problem(form(input_param="x"), Offer({}, None, 3)) == "unknown_task"


_leaf = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "shout", "high", "1.5"])
_json = st.recursive(_leaf, lambda inner: st.lists(inner, max_size=4), max_leaves=10)


@given(st.dictionaries(st.sampled_from(["input_param", "task", "queue", "delay", "x"]), _json))
def test_any_fields_are_an_order_or_a_problem(fields: dict[str, Any]) -> None:
    inputs, status = [], 200
    try:
        inputs = forms.parse(json(**fields), OFFER).inputs
    except Problem as told:
        status = told.status_code
    assert (status, bool(inputs)) in [(200, True), (422, False)]
