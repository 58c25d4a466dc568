"""One POST to a URL that a stranger has chosen.

The host is resolved once, and what was resolved is connected to, so that no second answer of a resolver counts. Nothing
is followed, no proxy is asked, TLS is verified against the host's name. Resolving, connecting, sending and reading are
all done by one deadline, and no more than a little is read of what is answered.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from .. import clock
from .addresses import BadURL, Reach, Target

#: Bytes of a response's body that are kept.
KEPT = 1024
_MOST_READ = 128 * 1024  # with the head
_CONNECT_SECONDS = 5.0
_PIECE = 16 * 1024
_LONGEST_RETRY = 86_400
_NO_ADDRESS = "the host has no address that may be called"


class Outcome(msgspec.Struct):
    """What came of an attempt: `at` and `duration` in microseconds, `retry_after` in seconds. `error` is None if it was
    a success; `status` is None if there was no answer. `response`: how its body begins.
    """

    at: int
    duration: int
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: int | None = None


def post(url: str, headers: Mapping[str, str], body: str, reach: Reach, timeout: float) -> Outcome:
    """POSTs `body`; never raises for what the other side does. `timeout`: seconds for all of it."""
    outcome, started = Outcome(clock.now(), 0), time.monotonic()
    try:
        _exchange(outcome, reach.check(url), headers, body.encode(), reach, started + timeout)
    except BadURL as error:
        outcome.error = str(error)
    except ssl.SSLCertVerificationError as error:
        outcome.error = f"its certificate does not hold: {error.verify_message}"
    except TimeoutError:
        outcome.error = "it took too long"
    except (OSError, http.client.HTTPException) as error:
        outcome.error = f"{type(error).__name__}: {error}"[:200]
    outcome.duration = round((time.monotonic() - started) * clock.SECOND)
    return outcome


def _exchange(
    outcome: Outcome, target: Target, headers: Mapping[str, str], body: bytes, reach: Reach, deadline: float
) -> None:
    with _connect(target, reach, deadline) as connected:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = _Stream(connected, deadline)
        connection.request("POST", target.path, body, {"Host": target.authority, "Connection": "close", **headers})
        response = connection.getresponse()
        outcome.status = response.status
        if not 200 <= response.status < 300:
            outcome.error = f"it answered {response.status}"
        outcome.retry_after = _seconds(response.getheader("Retry-After"))
        outcome.response = _beginning(response)


def _connect(target: Target, reach: Reach, deadline: float) -> socket.socket:
    """A connection to the first address of the host that may be called and answers."""
    failure: Exception = BadURL(_NO_ADDRESS)
    for family, address in _resolve(target, _left(deadline)):
        if not reach.has(address[0]):
            continue
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(min(_left(deadline), _CONNECT_SECONDS))
            plain.connect(address)
            plain.settimeout(_left(deadline))
            return plain if target.scheme == "http" else _tls().wrap_socket(plain, server_hostname=_name(target))
        except OSError as error:
            plain.close()
            failure = error
            if isinstance(error, ssl.SSLError):
                break
    raise failure


def _resolve(target: Target, seconds: float) -> list[tuple[Any, Any]]:
    """Families and addresses of the host. The system's resolver takes no time-out, so another thread waits for it."""
    answers: queue.SimpleQueue[list[tuple[Any, Any]]] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # of a name that cannot be one
            found = []
        answers.put([(family, address) for family, _, _, _, address in found])

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None


class _Stream(io.RawIOBase):
    """A connection as http.client uses one, on which every step ends by the deadline, and reading after some bytes."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._connected = connected
        self._deadline = deadline
        self._room = _MOST_READ

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._room <= 0:
            raise http.client.HTTPException("it answers too much")
        self._connected.settimeout(_left(self._deadline))
        count = self._connected.recv_into(memoryview(buffer)[: self._room])
        self._room -= count
        return count

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            self._connected.settimeout(_left(self._deadline))
            self._connected.sendall(data[start : start + _PIECE])

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Left to who has connected: http.client closes its connection before it has read the answer."""


def _beginning(response: http.client.HTTPResponse) -> str:
    """What it says; nothing of that, if it breaks off, changes what its status said."""
    try:
        data = response.read(KEPT)
    except http.client.IncompleteRead as error:
        data = error.partial
    except (OSError, http.client.HTTPException):
        data = b""
    return data[:KEPT].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _seconds(text: str | None) -> int | None:
    """A Retry-After in seconds; one that is a date is not heeded."""
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) < 10
    return min(int(text or 0), _LONGEST_RETRY) if is_number else None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _name(target: Target) -> str:
    return target.host.removesuffix(".")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
