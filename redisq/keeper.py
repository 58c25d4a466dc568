"""The keeper: a small process beside each user of an embedded server, of whom one at a time runs the server.

`embedded.py` starts it as a script, so it imports nothing but the standard library. Its standard input is a pipe that
its user holds open: whatever becomes of the user, kill -9 included, the pipe ends, and so does the keeper. There is no
thread in the user's process and nothing that a fork could break; a forked child holds the pipe too, and so keeps the
server that it uses.

Two locks (flock) in the data directory tell the truth about who is who, since the kernel takes them back:

owner.lock      held by the keeper that runs the server; the others wait for it, to start the server again
server.lock     held by the server itself, which inherits it: two servers never write to the same files, even when a
                keeper was killed and has left its server behind
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

LOG_SIZE = 1 << 20  # bytes, above which a log is set aside (one old one is kept) before the server starts
POLL = 0.1  # seconds between two looks at a lock, or at a server that is loading its data
BACKOFF = (0.05, 2.0)  # seconds before a dead server is started again: the first time, and at most
STOP_TIMEOUT = 30.0  # seconds that a server may take to end before it is killed
PR_SET_PDEATHSIG = 1


def ask(path: str, command: bytes, timeout: float = 1.0) -> bytes:
    """The server's reply to one command, such as b"+PONG\\r\\n"; b"" when nobody answers on that socket."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(command + b"\r\n")
            return connection.recv(4096)
    except OSError:
        return b""


class Keeper:
    """Runs the server for as long as its user lives. `command` is the server's command line."""

    def __init__(self, socket_path: str, command: list[str]) -> None:
        self.socket_path = socket_path
        self.command = command
        self.told_to_stop = False
        self.events = self._listen()

    def run(self) -> int:
        """The exit code: 1 when the first server, which our user waits for, ended by itself without having answered."""
        with Path("owner.lock").open("ab") as owner:
            awaited = not self._acquire(owner)
            pause = BACKOFF[0]
            while not self.told_to_stop:
                answered, code = self._serve()
                if awaited and not answered and code > 0:
                    return 1
                awaited = False
                pause = BACKOFF[0] if answered else min(2 * pause, BACKOFF[1])
                self._wait(pause)
        return 0

    def _serve(self) -> tuple[bool, int]:
        """Run one server until it ends, or until told to stop: whether it was seen to answer, and its exit code."""
        process = self._start()
        if process is None:
            return False, 0
        answered = False
        while process.poll() is None:
            if self.told_to_stop:
                stop(process)
            elif answered:
                self._wait(None)
            else:
                answered = ask(self.socket_path, b"PING").startswith(b"+PONG")
                self._wait(POLL)
        return answered, process.returncode

    def _start(self) -> subprocess.Popen[bytes] | None:
        with Path("server.lock").open("ab") as lock:
            self._acquire(lock, self._end_leftover)
            if self.told_to_stop:
                return None
            set_log_aside()
            os.makedirs(os.path.dirname(self.socket_path), mode=0o700, exist_ok=True)
            return subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, pass_fds=[lock.fileno()], preexec_fn=end_with_parent
            )

    def _end_leftover(self) -> None:
        """A server whose keeper was killed: it ends in an orderly way."""
        ask(self.socket_path, b"SHUTDOWN")

    def _acquire(self, lock: BinaryIO, nudge: Callable[[], object] | None = None) -> bool:
        """Wait for the lock, calling `nudge` while somebody has it; whether there was anything to wait for."""
        waited = False
        while not self.told_to_stop:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                if nudge:
                    nudge()
                self._wait(POLL)
            else:
                break
        return waited

    def _listen(self) -> int:
        """A descriptor on which signals arrive: that a child has ended, that we shall stop."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._tell_to_stop)
        return reader

    def _tell_to_stop(self, number: int, frame: object) -> None:
        self.told_to_stop = True

    def _wait(self, timeout: float | None) -> None:
        """Until a signal, or the end of our user, or for `timeout` seconds."""
        if self.told_to_stop:
            return
        ready, _, _ = select.select([0, self.events], [], [], timeout)
        if self.events in ready:
            os.read(self.events, 1024)
        if 0 in ready:
            self.told_to_stop = True


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that may be frozen, and wait for it."""
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with_parent() -> None:
    """In the new process: where the kernel offers it, the server ends with a keeper that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def set_log_aside() -> None:
    log = Path("server.log")
    if log.exists() and log.stat().st_size > LOG_SIZE:
        log.replace("server.log.1")


if __name__ == "__main__":
    os.umask(0o077)  # what is queued is nobody else's to read
    sys.exit(Keeper(sys.argv[1], sys.argv[2:]).run())
