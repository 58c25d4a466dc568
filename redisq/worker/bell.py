"""What wakes a loop that waits for a server, too."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class Bell:
    """Any thread, and a signal's handler, may ring it; one thread waits for it, by `wait` or a select of its own."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)

    def ring(self) -> None:
        with suppress(OSError):  # it is full, so it rings already; or nobody waits any more
            self._in.send(b"\0")

    def wait(self, timeout: float | None = None) -> None:
        """Until it rings, or has rung since `clear`; or for so many seconds."""
        select.select([self._out], [], [], timeout)

    def clear(self) -> None:
        """Before one looks what it was rung for."""
        with suppress(BlockingIOError):
            while self._out.recv(4096):
                pass

    def fileno(self) -> int:
        return self._out.fileno()

    def ringer(self) -> int:
        """What rings it when it is written to, for signal.set_wakeup_fd()."""
        return self._in.fileno()

    def close(self) -> None:
        self._out.close()
        self._in.close()
