"""`redisq-api`: sets the service up and administers it.

Exit codes: 0 done, 1 could not be done, 2 wrong usage.
"""

import argparse
import getpass
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence

import redisq

try:
    from . import migrations, settings, up, users
    from .database import Database, Unavailable
    from .relay import Relay
    from .settings import Settings
except ModuleNotFoundError as error:
    sys.exit(f"redisq-api: {error.name} is not installed: pip install 'redisq-jobs[api]'")

# Seconds for which the relay's calls to Redis are sent again before it says that Redis is away.
_RELAY_PATIENCE = 3.0


class Failed(Exception):
    """What was asked for cannot be done; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; answers the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except (
        Failed,
        settings.Misconfigured,
        migrations.SchemaMissing,
        users.BadUser,
        redisq.AppNotFound,
        redisq.InvalidURL,
    ) as error:
        message = str(error)
    except Unavailable as error:
        message = f"the database cannot be used: {error}"
    print(f"redisq-api: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq-api", description="Administers the REST service of redisq.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "init-db", "create the database's schema, or bring it up to date", _init_db)

    user = commands.add_parser("user", help="manage users").add_subparsers(required=True, metavar="COMMAND")
    add = _command(user, "add", "add a user", _add_user)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    add.add_argument("--workers", required=True, metavar="QUEUE,…", help="the queues that the user's tasks may go to")
    add.add_argument("--admin", action="store_true", help="make the user an administrator")

    token = commands.add_parser("token", help="manage bearer tokens").add_subparsers(required=True, metavar="COMMAND")
    create = _command(token, "create", "create a token for a user and print it", _create_token)
    create.add_argument("name", metavar="NAME")

    _command(commands, "relay", "move tasks into the queue and results into the database, until stopped", _relay)
    up.add_arguments(_command(commands, "up", "run everything on this machine", up.run))
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=run)
    return parser


def _init_db(arguments: argparse.Namespace) -> int:
    steps = migrations.apply(Database(settings.read().database))
    print(f"schema is up to date ({steps} applied)" if steps else "schema was up to date")
    return 0


def _add_user(arguments: argparse.Namespace) -> int:
    database = _database(settings.read())
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {arguments.name}: ")
    else:
        raise Failed("pass --password-stdin, or run this in a terminal to be asked for the password")
    queues = [queue.strip() for queue in arguments.workers.split(",") if queue.strip()]
    if not users.add(database, arguments.name, password, queues, arguments.admin):
        raise Failed(f"there is a user {arguments.name} already")
    print(f"added user {arguments.name} with workers on {', '.join(queues)}")
    return 0


def _create_token(arguments: argparse.Namespace) -> int:
    database = _database(settings.read())
    user = users.find(database, arguments.name)
    if user is None:
        raise Failed(f"there is no user {arguments.name}")
    print(users.create_token(database, user))
    return 0


def _relay(arguments: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = settings.read()
    database = _database(config)
    app = redisq.load_app(config.app).replace(url=config.redis_url, patience=_RELAY_PATIENCE)
    Relay(database, app, config.backlog, config.backlog_bytes).run(stop)
    return 0


def _database(config: Settings) -> Database:
    database = Database(config.database)
    migrations.check(database)
    return database
