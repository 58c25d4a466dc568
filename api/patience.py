"""gunicorn's threads with an end to their patience: a request that does not arrive in time is cut off.

gunicorn's own `gthread` waits for ever for the rest of a header or a body, and a few clients who send a byte now and
then would hold all of its threads. Here both have a time in all, not one that each byte begins anew.
"""

import select
import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker


class Connection(socket.socket):
    """A client's socket, which has nothing more to say from `deadline` on."""

    deadline = 0.0
    _is_cut = False

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """What has come, once something has. Nothing, for good, when the time is up."""
        if self._is_cut:
            return b""
        with suppress(BlockingIOError):  # mostly it is there, and there is no need to ask before
            return super().recv(size, flags | socket.MSG_DONTWAIT)
        if self._comes_in_time():
            return super().recv(size, flags)
        # The rest of a body that comes too late must never be taken for the next request.
        self._is_cut = True
        return b""

    def linger(self, seconds: float) -> None:
        """Says goodbye and waits for the client's. gunicorn would do so in the loop that all clients need."""
        self.deadline = time.monotonic() + seconds
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while time.monotonic() < self.deadline and self.recv(65536):
                pass
        self._is_cut = True

    def _comes_in_time(self) -> bool:
        left = self.deadline - time.monotonic()
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return left > 0 and bool(poll.poll(1000 * left))


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """`gthread` whose clients have so many seconds. Where gunicorn itself ends TLS, it is `gthread` as ever."""

    header_seconds = 10.0
    body_seconds = 30.0
    #: For so long a connection is read once it has been answered for the last time, so that the answer arrives.
    linger_seconds = 1.0

    def enqueue_req(self, conn: TConn) -> None:
        """A connection is here, or is here again, for a request."""
        if not conn.initialized and not self.cfg.is_ssl and not isinstance(conn.sock, Connection):
            conn.sock = Connection(fileno=conn.sock.detach())
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Reads a request and answers it; false when the connection is to be closed."""
        if not isinstance(conn.sock, Connection):
            return super().handle(conn)
        conn.sock.deadline = time.monotonic() + self.header_seconds
        is_kept = super().handle(conn)
        if not is_kept:
            conn.sock.linger(self.linger_seconds)
        return is_kept

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """The header is there."""
        if isinstance(conn.sock, Connection):
            conn.sock.deadline = time.monotonic() + self.body_seconds
        return super().handle_request(req, conn)
