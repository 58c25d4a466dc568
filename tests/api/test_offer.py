"""The tasks on offer: which, what each takes, and where an input does not fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from msgspec import Meta
from redisq_api import offer
from redisq_api.offer import TaskType
from redisq_api.settings import Misconfigured, Settings

import redisq
from tests.api.conftest import Client, queue_app


class Size(TypedDict):
    width: Annotated[int, Meta(ge=1)]


class Picture(TypedDict):
    """A picture."""

    url: Annotated[str, Meta(min_length=1)]
    sizes: list[Size]
    tags: NotRequired[dict[str, int]]


PICTURE = TaskType("resize", Picture)


def task_type(func: Callable[..., Any], **options: Any) -> TaskType:
    return offer.task_type(redisq.RedisQ("redis://127.0.0.1:1").task(name="it", **options)(func))


def test_the_type_is_that_of_the_first_parameter() -> None:
    def scale(input_param: Picture, quality: int = 80) -> int:
        """Scales a picture
        to several sizes.

        More about it.
        """
        return quality

    made = task_type(scale, queue="high")
    assert made == TaskType("it", Picture, "high", "Scales a picture to several sizes.")
    assert made.schema()["$defs"]["Picture"]["required"] == ["sizes", "url"]


def test_without_an_annotation_it_takes_anything() -> None:
    def bare(input_param):  # type: ignore[no-untyped-def]
        return input_param

    def empty() -> None:
        return None

    assert [task_type(func).type for func in (bare, empty)] == [Any, Any]
    assert task_type(bare).misfit({"any": [None]}) is None


def test_a_task_that_takes_jobs_in_batches_takes_anything(caplog: pytest.LogCaptureFixture) -> None:
    def insert(jobs: list[int]) -> None:
        return None

    assert task_type(insert, batch=10).type is Any
    assert caplog.text == ""


def test_an_annotation_without_a_schema_takes_anything_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def odd(input_param: complex) -> None:
        return None

    def unknown(input_param: Any) -> None:
        return None

    unknown.__annotations__["input_param"] = "NoSuchName"
    with caplog.at_level(logging.WARNING):
        assert [task_type(func).type for func in (odd, unknown)] == [Any, Any]
    assert caplog.text.count("task.untyped name=it") == 2


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        ({"url": "x", "sizes": [{"width": 1}, {"width": 0}]}, "/sizes/1/width", "Expected int >= 1"),
        ({"url": "x", "sizes": [7]}, "/sizes/0", "Expected object, got int"),
        ({"url": "x"}, "", "Object missing required field sizes"),
        ({"url": "", "sizes": []}, "/url", "Expected str of length >= 1"),
        ({"url": "x", "sizes": [], "tags": {"a/b": "c"}}, "/tags", "Expected int, got str"),
        ("x", "", "Expected object, got str"),
    ],
)
def test_the_place_that_does_not_fit_is_named(value: Any, pointer: str, detail: str) -> None:
    assert PICTURE.misfit(value) == (pointer, detail)


def test_what_fits() -> None:
    assert PICTURE.misfit({"url": "x", "sizes": [{"width": 1, "more": 2}], "tags": {"a": 1}}) is None


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert PICTURE.misfit({"url": "x", "sizes": [{"width": 4.0}]}) is None
    assert PICTURE.misfit({"url": "x", "sizes": [{"width": 4.5}]}) == ("/sizes/0/width", "Expected int, got float")


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [(str, "7", "7"), (int, "7", 7), (float, "1.5", 1.5), (bool, "true", True), (Any, "7", "7"), (int, "x", "x"),
     (int | None, "null", "null"), (Picture, "{}", "{}"), (int | str, "7", "7"), (Literal["a", 7], "7", 7)],
)  # fmt: skip
def test_what_a_text_of_a_form_means(type_: Any, text: str, value: Any) -> None:
    assert TaskType("it", type_).read_text(text) == value


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Settings(tasks=("shout", "nope")), "REDISQ_API_TASKS: the app has no task 'nope'; it has shout, fail"),
        (Settings(tasks=("shout",), task="fail"), "REDISQ_API_TASK: the app has no task 'fail'; it has shout"),
        (Settings(task="nope"), "REDISQ_API_TASK: the app has no task 'nope'; it has shout, fail"),
    ],
)
def test_names_that_there_are_not(config: Settings, message: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        offer.make(config, queue_app("redis://127.0.0.1:1"))
    assert message in str(raised.value)


def test_only_what_is_published_can_be_posted(make_client: Callable[..., Client], dead_url: str) -> None:
    client = make_client("ann", dead_url, tasks=("fail",))
    assert [one["name"] for one in client("GET", "/api/v1/task-type").json] == ["fail"]
    assert client.form("input_param=x").json["task"] == "fail"
    answer = client.form("input_param=x&task=shout")
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_task")


def test_each_element_of_a_list_is_checked(client: Client) -> None:
    answer = client.json({"input_param": ["a", 7, "b", {"c": 1}]})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_input_param")
    assert answer.json["errors"] == [
        {"pointer": "#/input_param/1", "detail": "Expected str, got int"},
        {"pointer": "#/input_param/3", "detail": "Expected str, got object"},
    ]
    assert client("GET", "/api/v1/task").json == []


def test_one_input_is_named_without_an_index(client: Client) -> None:
    answer = client.json({"input_param": 7})
    assert answer.json["errors"] == [{"pointer": "#/input_param", "detail": "Expected str, got int"}]
    assert "#/input_param" in answer.json["detail"]


def test_not_more_places_are_named_than_one_reads(client: Client) -> None:
    answer = client.json({"input_param": list(range(1, 501))})
    assert len(answer.json["errors"]) == 20
