"""What the tests of the commands share: a way to call them, and queues with jobs in every state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import redis

import redisq
from redisq import admin

#: What obeys: an escape of a terminal, a bell, a change of direction, another line, and rich's markup.
EVIL = "[bold red]x[/] \x1b[31mred\x1b[0m \x07 \x7f \x9b31m \u202e line\nline"
OBEYED = "\x1b\x07\x7f\x9b\u202e\r\x00"


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects that it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Done]


@pytest.fixture
def app(redis_url: str) -> Iterator[redisq.RedisQ]:
    app = redisq.RedisQ(redis_url)
    yield app
    app.close()


@pytest.fixture
def call(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `redisq` in this process: call("info", "--json"). Nothing that it prints may be obeyed by a terminal."""
    monkeypatch.setenv("REDISQ_URL", redis_url)

    def run(*arguments: str) -> Done:
        try:
            code = admin.main(arguments)
        except SystemExit as error:  # argparse
            code = int(error.code or 0)
        said = Done(code, *capsys.readouterr())
        assert not [c for c in OBEYED if c in said.out + said.err]
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture
def every_state(app: redisq.RedisQ) -> Iterator[redisq.Queue]:
    """The queue `q` with a job of each status, named by it, of the task `t`; what fails does so with EVIL."""
    queue = app.queue("q")

    def claimed(name: str) -> redisq.Delivery:
        queue.options(job_id=name, max_attempts=1).enqueue("t", name, key=1)
        delivery = queue.claim()
        assert delivery is not None
        return delivery

    running = claimed("running")
    claimed("succeeded").ack({"answer": 42})
    claimed("failed").nack(EVIL)
    queue.options(job_id="cancelled").enqueue("t").cancel()
    queue.options(job_id="scheduled", delay=60.0).enqueue("t", "later")
    queue.options(job_id="queued").enqueue("t", "now")
    yield queue
    del running


@pytest.fixture
def garbage(client: redis.Redis, every_state: redisq.Queue) -> None:
    """What hands can do to a queue's keys: entries that are no ids, ids without a record, records of a wrong type."""
    base = every_state.base
    client.rpush(f"{base}pending", b"\xff\xfe\x1b[31m", "ghost", "text")
    client.lpush(f"{base}pending", b"\x1b]0;title\x07", "hollow")
    client.set(f"{base}job:text", "no hash")
    client.hset(f"{base}job:hollow", mapping={"v": "1", "t": EVIL, "e": "never"})
    client.zadd(f"{base}dead", {b"\x1b[2J": 1, "phantom": 2})
    client.lpush(f"{base}ended", b"\x00", "nobody")
