"""The live view of `top` on a terminal: keys, the pace, and leaving the terminal as it was."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.live import Live

from .frame import frame
from .styled import console
from .view import View

QUIT = (b"q", b"Q")
#: Seconds after which a terminal of another size is seen.
RESIZED = 0.25


def print_once(view: View) -> None:
    """All of it, however long."""
    to = console()
    to.print(frame(view, to.width, None))


def watch(view: View, interval: float) -> None:
    """Until q or Ctrl-C is typed, or the process is told to end. A terminal that changes its size is drawn on anew."""
    to = console()
    live = Live(console=to, screen=True, auto_refresh=False)
    with suppress(KeyboardInterrupt), _ending(), _typing() as keys, live:
        while True:
            view.look()
            due, drawn = time.monotonic() + interval, None
            while (left := due - time.monotonic()) > 0:
                if drawn != to.size:
                    drawn = to.size
                    live.update(frame(view, drawn.width, drawn.height), refresh=True)
                if _key(keys, min(left, RESIZED)) in QUIT:
                    return


def _key(keys: int | None, seconds: float) -> bytes:
    """What is typed within that time; nothing if there is no keyboard."""
    readable = select.select([keys] if keys is not None else [], [], [], seconds)[0]
    return os.read(keys, 1) if readable and keys is not None else b""


@contextmanager
def _typing() -> Iterator[int | None]:
    """Keys as they are typed, without echo. What gives none is None: standard input is no terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield keys
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


@contextmanager
def _ending() -> Iterator[None]:
    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
