"""redisq-worker: flags to options to a call."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from . import __version__
from .errors import AppNotFound, RedisQError
from .finding import load_app
from .logs import log_to_stderr
from .weights import Queues
from .worker.health import check
from .worker.reload import follow
from .worker.rolling import Handover
from .worker.supervisor import Options, Supervisor

log = logging.getLogger("redisq.cli")  # also as `python -m redisq.cli`

FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    args = _parser().parse_args(argv)
    if args.check:
        trouble = check(args.check)
        return _fail(trouble) if trouble else 0
    handover = Handover.take()
    log_to_stderr(args.log_format, args.log_level)
    try:
        if args.reload:
            return follow()
        app = load_app(args.app)
        if args.url or args.lease:
            app = app.replace(url=args.url, lease=args.lease)
        return Supervisor(app, _options(args), handover).run()
    except AppNotFound as error:
        log.debug("app.not_found", exc_info=error)
        trouble = str(error)
    except RedisQError as error:
        trouble = str(error)
    if handover.retry(trouble):
        return 0
    if args.log_format == "json":
        log.error("worker.failed error=%s", trouble)
        return FAILED
    return _fail(trouble)


def _options(args: argparse.Namespace) -> Options:
    return Options(
        queues=args.queues.names,
        processes=args.processes,
        burst=args.burst,
        grace=args.grace,
        health_file=args.health_file,
        max_jobs=args.max_jobs,
        max_memory=args.max_memory,
        threads=args.threads,
        concurrency=args.concurrency,
        weights=args.queues.weights,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisq-worker", description="Runs the jobs of queues.", allow_abbrev=False)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--queues",
        type=_queues,
        metavar="HIGH,LOW",
        help="strict priority from left to right; HIGH:6,LOW:1 for six of seven jobs from HIGH while both have some",
    )
    what.add_argument(
        "--check", metavar="FILE", help="only tell whether the worker that keeps FILE is well (exit 0) or not (1)"
    )
    parser.add_argument("--app", metavar="MODULE:ATTRIBUTE", help="the app whose tasks to run (default: $REDISQ_APP)")
    parser.add_argument("--url", help="the server (default: the app's own, $REDISQ_URL)")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="child processes (default: 1)")
    parser.add_argument(
        "--max-jobs", type=_large_count, metavar="N", help="replace a child process that has run N jobs"
    )
    parser.add_argument(
        "--max-memory", type=_large_count, metavar="MIB", help="replace a child process that is larger than this"
    )
    parser.add_argument("--threads", type=_count, default=1, metavar="N", help="plain jobs at once per child")
    parser.add_argument("--concurrency", type=_count, default=1, metavar="N", help="async jobs at once per child")
    parser.add_argument("--burst", action="store_true", help="exit when nothing is queued")
    parser.add_argument(
        "--lease", type=_seconds, metavar="SECONDS", help="after which a lost worker's jobs run again (default: 30)"
    )
    parser.add_argument(
        "--grace", type=_seconds, default=30.0, metavar="SECONDS", help="for running jobs at a stop (default: 30)"
    )
    parser.add_argument("--health-file", type=_writable, metavar="FILE", help="touched while all is well, for --check")
    parser.add_argument("--reload", action="store_true", help="for development: restart when the code changes")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--version", action="version", version=f"redisq {__version__}")
    return parser


def _queues(text: str) -> Queues:
    try:
        return Queues.parse(text)
    except RedisQError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str, most: int = 1000) -> int:
    if not text.isdecimal() or not 1 <= int(text[:20]) <= most:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {most}, not {text!r}")
    return int(text)


def _large_count(text: str) -> int:
    return _count(text, most=1_000_000_000)


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


def _fail(message: str) -> int:
    print(f"redisq-worker: {message}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
