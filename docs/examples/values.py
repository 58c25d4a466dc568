"""What survives the way through JSON, and what is refused."""

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass

import playground  # its server

import redisq

app = redisq.RedisQ()
queue = app.queue("values")


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


VALUES = [
    None,
    True,
    2**53,
    0.1,
    "text \N{SNOWMAN}",
    [1, [2]],
    {"a": 1},
    (1, 2),
    {3},
    {1: "one"},
    float("nan"),
    b"raw",
    datetime.date(2027, 3, 1),
    datetime.datetime(2027, 3, 1, 9, 30, tzinfo=datetime.UTC),
    datetime.timedelta(hours=1),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    Colour.RED,
    Point(1, 2),
]

if __name__ == "__main__":
    for value in VALUES:
        queue.put(value)
        with queue.claim() as delivery:
            back = delivery.job.payload
        print(f"{'same' if back == value and type(back) is type(value) else 'other':5}  {value!r} -> {back!r}")

    for value in (object(), {(1, 2): 3}, print, "x" * 5_000_000):
        try:
            queue.put(value)
        except redisq.RedisQError as error:
            print(type(error).__name__, "for", type(value).__name__)
