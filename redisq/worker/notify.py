"""What systemd is told of a worker, by sd_notify(3): nothing unless $NOTIFY_SOCKET names a socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

#: They are for the process that systemd has started, and for none that it starts.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """One datagram for each notice. systemd that does not listen is no trouble of the worker's."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        micros, mine = environ.get("WATCHDOG_USEC", ""), str(os.getpid())
        watched = micros.isdecimal() and environ.get("WATCHDOG_PID", mine) == mine
        self._interval = int(micros) / 3e6 if watched else float("inf")
        self._due = 0.0

    def send(self, *lines: str) -> None:
        """Such as "READY=1"."""
        if self._address:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.setblocking(False)
                    sender.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                pass

    def beat(self) -> None:
        """The supervisor's loop turns: as often as the watchdog wants to hear it."""
        if self._interval < float("inf") and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._interval
            self.send("WATCHDOG=1")
