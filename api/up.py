"""`redisq-api up`: everything on one machine, under one supervisor.

The embedded server first and last; between them the service under gunicorn, the relay and a worker, each started again
when it dies. All data are in one directory, which one `up` at a time may use.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from redisq.embedded import EmbeddedServer
from redisq.errors import EmbeddedServerError

from . import migrations, settings, users
from .database import Database, Unavailable
from .parts import TICK, Part, Supervisor

PORT = 8000
DATA = "var/redisq"
QUEUES = "high,default,low"
WEBHOOKS = "redisq_api.webhooks.worker:app"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
LOOPBACK = "http://127.0.0.1:*,http://localhost:*,http://[::1]:*"
# Names, passwords and the queues of the workers that each is given.
DEMO_USERS = (
    ("test", "test", ("high", "default")),
    ("user1", "user1", ("default",)),
    ("flashnot", "zxc", ("default",)),
)
PORT_PATIENCE = 2.0  # seconds for the service of an `up` that was killed to let go of the port
COLORS = {"up": 1, "api": 36, "relay": 35, "worker": 32, "webhooks": 33}
ACCESS_LOG = "%(m)s %(U)s %(s)s"

HINT = """
  redisq is up.

  Browser   {url}/
  Try       curl -X POST {url}/api/v1/task/ -d "input_param=qwerty" -u {login}
            curl -X POST {url}/api/v1/task/ -d "input_param[]=asd&input_param[]=zxc&input_param[]=123" -u {login}
  Results   curl {url}/api/v1/task -u {login}
  Data      {data}
  Stop      Ctrl-C
"""
ADD_A_USER = """
  Nobody may log in yet. Add a user, whose password is read from standard input:
            REDISQ_DATABASE={database} redisq-api user add NAME --password-stdin --workers high,default
"""


class StartError(Exception):
    """Why, in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `redisq-api up`."""
    parser.add_argument("--port", type=port_number, default=PORT, help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=Path(DATA), help="where all data are (default: %(default)s)")
    parser.add_argument("--demo", action="store_true", help="add users to try it with, whose passwords all know")


def run(args: argparse.Namespace) -> int:
    """Run until a signal comes. The exit code: 0, or 1 with one line on standard error when it cannot start."""
    data = Path(args.data).absolute()
    queue = settings.read().webhook_queue
    try:
        with own(data), listen(args.port) as listener, EmbeddedServer(data) as server:
            database = set_up(data, demo=args.demo)
            tick = Tick(server, args.port, lambda: welcome(args.port, data, database, args.demo))
            Supervisor(parts(listener, queue), environment(server.url, database), say, tick).run()
    except (StartError, EmbeddedServerError, Unavailable, OSError) as error:
        print(f"redisq-api up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the parts have been started
        return 130
    say("up", "stopped; the data stay")
    return 0


def parts(listener: socket.socket, queue: str) -> list[Part]:
    """What runs beside the server; `queue`: that of webhooks, which nobody else's job shall wait for.

    The service inherits its socket: whoever calls while it restarts waits.
    """
    gunicorn = [sys.executable, "-P", "-m", "gunicorn", "-c", "python:redisq_api.server"]
    gunicorn += ["--workers", "2", "--bind", f"fd://{listener.fileno()}"]
    gunicorn += ["--graceful-timeout", "5"]  # who waits for a result does not hold up a Ctrl-C for long
    gunicorn += ["--log-level", "warning", "--access-logfile", "-", "--access-logformat", ACCESS_LOG]
    return [
        Part("api", gunicorn, fds=[listener.fileno()]),
        Part("relay", [*program("redisq_api.cli"), "relay"]),
        Part("worker", [*program("redisq.cli"), "--queues", QUEUES, "--log-level", "debug"]),
        Part("webhooks", [*program("redisq.cli"), "--app", WEBHOOKS, "--queues", queue, "--threads", "8"]),
    ]


def program(module: str) -> list[str]:
    """The command line of a module's `main`, also where its script is not on the PATH."""
    return [sys.executable, "-P", "-c", f"import sys; from {module} import main; sys.exit(main())"]


def environment(url: str, database: str) -> dict[str, str]:
    """For the parts. Server and database are always ours: demo users must never reach the ones that a shell names."""
    # Whoever may post tasks here is on this machine, and tries webhooks with a program that is, too.
    environ = {"REDISQ_CORS_ORIGINS": LOOPBACK, "REDISQ_API_WEBHOOK_ALLOW": LOOPBACK_NETWORKS} | os.environ
    return environ | {"REDISQ_URL": url, "REDISQ_DATABASE": database, "PYTHONUNBUFFERED": "1"}


def set_up(data: Path, demo: bool) -> str:
    """Bring the database up to date, with the users to try it with. Its URL."""
    url = "sqlite:///" + quote(str(data / "redisq.sqlite3"))
    with closing(Database(url)) as database:
        migrations.apply(database)
        if demo:
            for name, password, queues in DEMO_USERS:
                users.add(database, name, password, queues)
    return url


class Tick:
    """What is looked after while the parts run."""

    def __init__(self, server: EmbeddedServer, port: int, ready: Callable[[], None]) -> None:
        self._server = server
        self._port = port
        self._ready: Callable[[], None] | None = ready

    def __call__(self) -> None:
        self._server.start()  # only if its keeper has died
        if self._ready and answers(self._port):
            self._ready()
            self._ready = None


def answers(port: int) -> bool:
    """Whether the service is there."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)) as connection:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def own(data: Path) -> Iterator[None]:
    """The directory is ours alone."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "up.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"another one runs with the data in {data}") from None
        yield


def listen(port: int) -> socket.socket:
    """A socket on which the service will answer."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end = time.monotonic() + PORT_PATIENCE
    while True:
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
            return listener
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < end:
                time.sleep(TICK)
                continue
            listener.close()
            raise StartError(f"port {port} is not free ({error.strerror}): choose another with --port") from error


def port_number(text: str) -> int:
    """Of the command line."""
    if not 0 < int(text) < 65536:
        raise ValueError(text)
    return int(text)


def say(name: str, line: str) -> None:
    """One line of a part, with its name before it."""
    label = f"{name:>8} |"
    if sys.stdout.isatty():
        label = f"\033[{COLORS[name]}m{label}\033[0m"
    try:
        print(label, line, flush=True)
    except BrokenPipeError:  # nobody reads any more, as after `up | head`: that is an order to stop
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)


def welcome(port: int, data: Path, database: str, demo: bool) -> None:
    """What to try."""
    url = f"http://127.0.0.1:{port}"
    login = ":".join(DEMO_USERS[0][:2]) if demo else "NAME:PASSWORD"
    print(HINT.format(url=url, login=login, data=data), flush=True)
    if not demo:
        print(ADD_A_USER.format(database=database), flush=True)
