"""An app whose tasks take all kinds of input."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

import redisq

app = redisq.RedisQ()


class Size(TypedDict):
    width: Annotated[int, Meta(ge=1, le=10_000)]
    unit: NotRequired[Literal["px", "mm"]]


class Picture(TypedDict):
    """A picture."""

    url: Annotated[str, Meta(min_length=1)]
    sizes: Annotated[list[Size], Meta(max_length=3)]
    title: NotRequired[str | None]


@app.task(name="echo")
def echo(input_param: Any) -> Any:
    """Gives back what it gets."""
    return input_param


@app.task(name="shout")
def shout(input_param: str) -> str:
    """Says it louder."""
    return input_param.upper()


@app.task(name="square")
def square(input_param: Annotated[int, Meta(ge=-1000, le=1000)]) -> int:
    """A number by itself."""
    return input_param**2


@app.task(name="resize")
def resize(input_param: Picture) -> int:
    """Scales a picture."""
    return len(input_param["sizes"])


@app.task(name="total")
def total(input_param: list[float]) -> float:
    """The sum of numbers."""
    return sum(input_param)


@app.task(name="either")
def either(input_param: bool | Size | None) -> None:
    """Takes one or the other."""
