"""Errors as text: whatever they are, something short comes out that says where they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from redisq.telling import LONGEST_TRACE, trace


def caught(function: Callable[..., Any], *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def divide(n: int) -> float:
    return 1 / n


def test_a_traceback_names_where_it_was_raised_and_what() -> None:
    text = trace(caught(divide, 0))
    assert text.startswith("Traceback (most recent call last):\n")
    assert "in divide" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_an_error_that_was_never_raised_and_a_text_have_none() -> None:
    assert (trace(ValueError("no")), trace("no")) == ("", "")


def test_causes_are_told() -> None:
    def chain() -> None:
        try:
            divide(0)
        except ZeroDivisionError as error:
            raise LookupError("second") from error

    text = trace(caught(chain))
    assert "ZeroDivisionError" in text
    assert "direct cause" in text
    assert text.endswith("LookupError: second\n")


def test_of_a_long_traceback_the_innermost_frames_are_kept() -> None:
    names = [f"step_{n}" for n in range(200)]
    namespace: dict[str, Any] = {}
    for name, callee in zip(names, [*names[1:], "fail"], strict=True):
        exec(f"def {name}():\n    {callee}()", namespace)
    exec("def fail():\n    raise ValueError('deep')", namespace)
    text = trace(caught(namespace["step_0"]))
    assert len(text) <= LONGEST_TRACE
    assert "in fail" in text
    assert "in step_199" in text
    assert "in step_0\n" not in text


@pytest.mark.parametrize("size", [LONGEST_TRACE, 5_000_000])
def test_a_long_message_hides_no_frame(size: int) -> None:
    def shout() -> None:
        raise ValueError("x" * size)

    text = trace(caught(shout))
    assert len(text) <= LONGEST_TRACE
    assert "in shout" in text


def test_a_long_chain_is_cut_from_its_beginning() -> None:
    def chain(n: int) -> None:
        try:
            chain(n - 1) if n else divide(0)
        except Exception as error:
            raise LookupError(f"number {n}") from error

    text = trace(caught(chain, 100))
    assert len(text) <= LONGEST_TRACE
    assert text.startswith("…")
    assert text.endswith("LookupError: number 100\n")


class Liar(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("not even this")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@pytest.mark.parametrize("kind", [Liar, Mute, RecursionError, asyncio.CancelledError, SystemExit])
def test_odd_errors_raise_nothing(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind

    assert isinstance(trace(caught(fail)), str)


def test_a_loop_of_causes_has_an_end() -> None:
    first, second = caught(divide, 0), caught(divide, 0)
    first.__cause__, second.__cause__ = second, first
    assert len(trace(first)) <= LONGEST_TRACE
