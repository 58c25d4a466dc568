"""redisq-worker: flags to options to a call."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Sequence

from . import __version__
from .errors import AppNotFound, RedisQError
from .finding import load_app
from .keys import check_name
from .worker.health import check
from .worker.supervisor import Options, Supervisor

FAILED = 1


class JSONFormatter(logging.Formatter):
    """One JSON object a line: ts (seconds), level, logger, event; the key=value pairs of the message, of which an error
    comes last and may have any words; the traceback, if any.
    """

    _PAIR = re.compile(r"(\w+)=((?<=error=).*|[^\s=]\S*)", re.DOTALL)

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": message.partition(" ")[0],
            "message": message,
        }
        line |= {key: value.rstrip(":") for key, value in self._PAIR.findall(message) if key not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    args = _parser().parse_args(argv)
    if args.check:
        trouble = check(args.check)
        return _fail(trouble) if trouble else 0
    _log_to_stderr(args.log_format, args.log_level)
    try:
        app = load_app(args.app)
        if args.url or args.lease:
            app = app.replace(url=args.url, lease=args.lease)
        options = Options(args.queues, args.processes, args.burst, args.grace, args.health_file)
        return Supervisor(app, options).run()
    except AppNotFound as error:
        logging.getLogger(__name__).debug("app.not_found", exc_info=error)
        return _fail(str(error))
    except RedisQError as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq-worker", description="Runs the jobs of queues.", allow_abbrev=False)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--queues", type=_queues, metavar="HIGH,LOW", help="strict priority from left to right")
    what.add_argument(
        "--check", metavar="FILE", help="only tell whether the worker that keeps FILE is well (exit 0) or not (1)"
    )
    parser.add_argument("--app", metavar="MODULE:ATTRIBUTE", help="the app whose tasks to run (default: $REDISQ_APP)")
    parser.add_argument("--url", help="the server (default: the app's own, $REDISQ_URL)")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="child processes (default: 1)")
    parser.add_argument("--burst", action="store_true", help="exit when nothing is queued")
    parser.add_argument(
        "--lease", type=_seconds, metavar="SECONDS", help="after which a lost worker's jobs run again (default: 30)"
    )
    parser.add_argument(
        "--grace", type=_seconds, default=30.0, metavar="SECONDS", help="for running jobs at a stop (default: 30)"
    )
    parser.add_argument("--health-file", type=_writable, metavar="FILE", help="touched while all is well, for --check")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--version", action="version", version=f"redisq {__version__}")
    return parser


def _queues(text: str) -> list[str]:
    try:
        names = [check_name(name) for name in text.split(",")]
    except RedisQError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a queue is named twice: {text}")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 1000, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"seconds from 0.1 to 86400, not {text!r}")
    return seconds


def _writable(text: str) -> str:
    if not os.access(os.path.dirname(os.path.abspath(text)), os.W_OK) or os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"not a file that can be written: {text}")
    return text


def _log_to_stderr(log_format: str, level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(
        JSONFormatter() if log_format == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _fail(message: str) -> int:
    print(f"redisq-worker: {message}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
