"""redisq top: one view by `--once`, and the live one on a terminal of its own."""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import redis
from rich.console import Console

import redisq
from redisq.commands.frame import frame
from redisq.commands.view import View
from tests.commands.conftest import OBEYED, Call
from tests.servers import Server
from tests.waiting import wait_until

ONCE = ("top", "--once", "--interval", "0.1")


def drawn(view: View, width: int, height: int | None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True, markup=False, highlight=False)
    console.print(frame(view, width, height))
    return console.export_text().splitlines()


def looked(app: redisq.RedisQ, *names: str) -> View:
    view = View(app, names)
    view.look()
    return view


def row(lines: list[str], name: str) -> dict[str, str]:
    """The figures of a queue by their headers."""
    headers = next(line for line in lines if line.startswith("QUEUE ")).split()[1:]
    return dict(
        zip(headers, next(line for line in lines if line.startswith(name)).split()[-len(headers) :], strict=True)
    )


def test_nothing(call: Call) -> None:
    done = call(*ONCE)
    assert done.code == 0
    assert done.out.splitlines()[0].startswith("redisq top  redis://")
    assert done.out.splitlines()[-1] == "no workers"
    assert "no queues" in done.out


def test_a_hundred_queues(call: Call, app: redisq.RedisQ) -> None:
    for n in range(100):
        app.queue(f"queue-{n}").enqueue_many("t", [((), {})] * (n + 1))
    lines = call(*ONCE).out.splitlines()
    rows = [line for line in lines if line.startswith("queue-")]
    assert [line.split()[0] for line in rows] == [f"queue-{n}" for n in range(99, -1, -1)]
    assert "queued 5050" in lines[1]
    fitting = drawn(looked(app), 80, 24)
    assert len(fitting) <= 24
    shown = [line.split()[0] for line in fitting if line.startswith("queue-")]
    assert shown == [f"queue-{n}" for n in range(99, 99 - len(shown), -1)]
    assert len(shown) > 10
    assert f"… and {100 - len(shown)} more queues" in fitting
    assert call(*ONCE, "queue-7").out.count("queue-") == 1


@pytest.mark.usefixtures("garbage")
def test_it_fits(app: redisq.RedisQ, client: redis.Redis) -> None:
    for n in range(30):
        app.queue(f"queue-{n}").put(n)
        client.zadd("redisq:{q}:workers", {f"host-{n}-{'x' * n}": 1e15})
    view = looked(app)
    for width, height in itertools.product((10, 20, 40, 60, 80, 132, 250), (None, 1, 5, 11, 24, 60)):
        lines = drawn(view, width, height)
        assert max(map(len, lines)) <= width
        assert height is None or len(lines) <= max(height, 11), f"{width} x {height}"
        assert not [line for line in lines for c in line if c in OBEYED]


def test_the_figures(app: redisq.RedisQ, every_state: redisq.Queue) -> None:
    figures = row(drawn(looked(app), 200, None), "q ")
    assert (figures["QUEUED"], figures["RUN"], figures["FAILED"], figures["LATER"]) == ("1", "1", "1", "1")
    assert (figures["IN/s"], figures["OUT/s"], figures["FAIL/s"]) == ("-", "-", "-")
    assert figures["OLDEST"].endswith("s")
    assert figures["WAITED"].endswith("s")
    every_state.pause()
    assert [line for line in drawn(looked(app), 200, None) if line.startswith("q (paused)")]


def test_what_workers_run(app: redisq.RedisQ, every_state: redisq.Queue, client: redis.Redis) -> None:
    client.hset(f"{every_state.base}job:running", mapping={"t": "[red]x[/]\x1b[31m", "p": "3/7", "a": "1"})
    (line,) = (line for line in drawn(looked(app), 200, None) if "q.running" in line)
    assert r"[red]x[/]\x1b[31m 3/7 (attempt 2)" in line
    every_state.fetch("running").home.cancel("running")
    assert [line for line in drawn(looked(app), 40, None) if "FOR" in line or "RUNS" in line]


def test_a_queue_that_cannot_be_read_comes_first(app: redisq.RedisQ, client: redis.Redis) -> None:
    app.queue("full").enqueue_many("t", [((), {})] * 9)
    app.queue("spoilt").put(1)
    client.set("redisq:{spoilt}:scheduled", "who did this")
    lines = drawn(looked(app), 100, None)
    assert [line.split()[0] for line in lines[4:6]] == ["spoilt", "full"]
    assert "(unreadable)" in lines[4]


def test_a_server_that_goes_away_leaves_what_was_seen(new_server: Callable[..., Server]) -> None:
    server = new_server()
    app = redisq.RedisQ(server.url, patience=0.0)
    app.queue("q").put(1)
    view = looked(app)
    server.kill()
    view.look()
    lines = drawn(view, 80, 24)
    assert lines[1].startswith("as it was: no answer from")
    assert row(lines, "q ")["QUEUED"] == "1"
    server.start()
    wait_until(lambda: view.look() or not view.trouble)


@contextmanager
def terminal(
    url: str, *arguments: str, columns: int = 80, lines: int = 24
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`redisq top` on a terminal; what it draws and what is typed go through the file descriptor."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-m", "redisq.admin", "top", "--url", url, *arguments]
    top = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment | {"TERM": "xterm"})
    os.set_blocking(ours, False)
    try:
        yield top, ours
    finally:
        top.kill()
        top.wait()
        os.close(ours)
        os.close(its)


def seen(screen: int, so_far: list[bytes]) -> str:
    with suppress(BlockingIOError):
        so_far.append(os.read(screen, 1_000_000))
    return b"".join(so_far).decode("utf-8", "replace")


@pytest.mark.parametrize("end", ["q", "Q", "interrupt", "terminate"])
def test_it_is_live_until_it_is_told_to_end(app: redisq.RedisQ, redis_url: str, end: str) -> None:
    app.queue("first").put(1)
    with terminal(redis_url, "--interval", "0.1") as (top, screen):
        before, drawing = termios.tcgetattr(screen), list[bytes]()
        wait_until(lambda: "first" in seen(screen, drawing), 30.0)
        assert termios.tcgetattr(screen) != before
        app.queue("second").put(1)
        wait_until(lambda: "second" in seen(screen, drawing), 30.0)
        os.write(screen, b"x\x1b[A")
        app.queue("third").put(1)
        wait_until(lambda: "third" in seen(screen, drawing), 30.0)
        if end in ("q", "Q"):
            os.write(screen, end.encode())
        else:
            top.send_signal(signal.SIGINT if end == "interrupt" else signal.SIGTERM)
        assert top.wait(timeout=30.0) == 0
        text = seen(screen, drawing)
        assert termios.tcgetattr(screen) == before
        assert text.rindex("\x1b[?1049l") > text.rindex("third")
        assert "Traceback" not in text


def test_a_terminal_that_grows_is_drawn_on_anew(app: redisq.RedisQ, redis_url: str) -> None:
    app.queue("q").put(1)
    with terminal(redis_url, "--interval", "3600", columns=30) as (top, screen):
        drawing: list[bytes] = []
        wait_until(lambda: "QUEUED" in seen(screen, drawing), 30.0)
        assert "WAITED" not in seen(screen, drawing)
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        wait_until(lambda: "WAITED" in seen(screen, drawing), 30.0)
        assert top.poll() is None


def test_it_needs_a_terminal(call: Call) -> None:
    done = call("top")
    assert (done.code, done.out) == (2, "")
    assert "--once" in done.err
