"""`redisq-api`: sets the service up and administers it.

Exit codes: 0 done, 1 could not be done, 2 wrong usage.
"""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence

import redisq

try:
    from . import administration, migrations, settings, up
    from .administration import command
    from .database import Database, Unavailable
    from .grants import BadUser
    from .relay import Relay
    from .webhooks.courier import Courier
except ModuleNotFoundError as error:
    sys.exit(f"redisq-api: {error.name} is not installed: pip install 'redisq-jobs[api]'")

# Seconds for which the relay's calls to Redis are sent again before it says that Redis is away.
_RELAY_PATIENCE = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; answers the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = arguments.command
        return run(arguments)
    except (
        settings.Misconfigured,
        migrations.SchemaMissing,
        BadUser,
        redisq.AppNotFound,
        redisq.InvalidURL,
    ) as error:
        message = str(error)
    except Unavailable as error:
        message = f"the database cannot be used: {' '.join(str(error).split())}"
    print(f"redisq-api: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq-api", description="Administers the REST service of redisq.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command(commands, "init-db", "create the database's schema, or bring it up to date", _init_db)

    administration.add_commands(commands)
    command(commands, "relay", "move tasks into the queue and results into the database, until stopped", _relay)
    up.add_arguments(command(commands, "up", "run everything on this machine", up.run))
    return parser


def _init_db(arguments: argparse.Namespace) -> int:
    steps = migrations.apply(Database(settings.read().database))
    print(f"schema is up to date ({steps} applied)" if steps else "schema was up to date")
    return 0


def _relay(arguments: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = settings.read()
    database = administration.open_database(config)
    app = redisq.load_app(config.app).replace(url=config.redis_url, patience=_RELAY_PATIENCE)
    courier = Courier(database, app, migrations.feed_of(database), config)
    Relay(database, app, config.backlog, config.backlog_bytes, config.keep_days, courier).run(stop)
    return 0
