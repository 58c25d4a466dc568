"""Parameters and fields: what they read, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import falcon.testing
import pytest
from msgspec import Meta
from redisq_api.describe import Answer, Field, Parameter, described, operation
from redisq_api.problems import Problem

COUNT = Parameter("count", Annotated[int, Meta(ge=1)], "bad_count", "how many", default=3)
MOMENT = Parameter("at", Annotated[datetime, Meta(tz=True)], "bad_time", "when")
KEY = Parameter("X-Key", Annotated[str, Meta(max_length=2)], "bad_key", "a key", place="header")
DELAY = Field("delay", Annotated[float, Meta(ge=0)], "bad_delay", "seconds")


def read(parameter: Parameter, query: str = "", **headers: str) -> Any:
    return parameter.read(falcon.testing.create_req(query_string=query, headers=headers))


def test_what_is_not_there_is_the_default() -> None:
    assert (read(COUNT), read(MOMENT), read(KEY)) == (3, None, None)


def test_a_text_becomes_its_type() -> None:
    assert read(COUNT, "count=7") == 7
    assert read(COUNT, "count=7&count=8") == 8
    assert read(MOMENT, "at=2026-01-31T14:00:00+02:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert read(KEY, **{"X-Key": "ab"}) == "ab"


@pytest.mark.parametrize(
    ("parameter", "query", "code"),
    [(COUNT, "count=0", "bad_count"), (COUNT, "count=", "bad_count"), (COUNT, "count=true", "bad_count"),
     (MOMENT, "at=7", "bad_time"), (MOMENT, "at=2026-01-31T14:00:00", "bad_time")],
)  # fmt: skip
def test_what_does_not_fit_is_a_422_with_its_code(parameter: Parameter, query: str, code: str) -> None:
    with pytest.raises(Problem) as raised:
        read(parameter, query)
    assert (raised.value.status_code, raised.value.name) == (422, code)


def test_a_form_has_numbers_as_texts_and_json_has_not() -> None:
    assert DELAY.read(" 1e1 ", is_form=True) == 10.0
    assert DELAY.read(1, is_form=False) == 1.0
    for value, is_form in (("1", False), ("x", True), (-1, False), (True, False), (None, False)):
        with pytest.raises(Problem) as raised:
            DELAY.read(value, is_form)
        assert raised.value.name == "bad_delay"
        assert raised.value.misfits is not None
        assert raised.value.misfits[0].pointer == "#/delay"


def test_a_description_stands_on_what_it_describes() -> None:
    @operation("Do it", answers={200: Answer("done")})
    def on_get() -> None:
        """Does it."""

    found = described(on_get)
    assert found is not None
    assert (found.summary, found.answers[200].text) == ("Do it", "done")
    assert described(lambda: None) is None
