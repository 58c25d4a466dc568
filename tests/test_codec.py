"""JSON, and nothing but JSON."""

from __future__ import annotations

import datetime
import decimal
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import JSON, NotSerializable, PayloadTooLarge

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values.filter(lambda value: "\\ud" not in repr(value)))
def test_what_json_can_hold_comes_back_as_it_was(value: Any) -> None:
    assert JSON().decode(JSON().encode(value)) == value


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (float("nan"), None),
        (float("inf"), None),
        (datetime.date(2024, 1, 2), "2024-01-02"),
    ],
)
def test_what_json_has_no_form_for_comes_back_as_something_else(value: Any, back: Any) -> None:
    assert JSON().decode(JSON().encode(value)) == back


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [object, endless, deep, lambda: "\ud800", lambda: {(1, 2): 3}, lambda: iter(())])
def test_what_cannot_be_encoded_is_an_error_of_ours_and_a_type_error(make: Any) -> None:
    with pytest.raises(NotSerializable) as caught:
        JSON().encode(make())
    assert isinstance(caught.value, TypeError)


def test_the_limit_is_exact_and_counts_bytes() -> None:
    codec = JSON(max_bytes=10)
    assert codec.encode("x" * 8) == b'"xxxxxxxx"'
    with pytest.raises(PayloadTooLarge, match="11 bytes"):
        codec.encode("x" * 9)
    with pytest.raises(PayloadTooLarge):
        codec.encode("ä" * 5)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"{", b"[1,]", b"nul", b"\x80\x04N.", b"[" * 100_000, b'"\xff"', b"1 2", b"NaN", b"'a'"]
)
def test_what_is_not_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|utf-8"):
        JSON().decode(data)


class Canary:
    fired = False

    def __reduce__(self) -> Any:
        return setattr, (Canary, "fired", True)


def test_a_pickle_is_bytes_and_no_code() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        JSON().decode(pickle.dumps(Canary()))
    assert not Canary.fired


def test_numbers_are_not_rounded() -> None:
    assert JSON().decode(JSON().encode(2**63 - 1)) == 2**63 - 1
    assert JSON().decode(JSON().encode(0.1)) == 0.1
    assert JSON().decode(JSON().encode(decimal.Decimal("0.10"))) == "0.10"
