"""redisq enqueue: a call of a task, by hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .. import keys
from ..bound import Call
from ..codec import JSON
from ..errors import JobCancelled, JobFailed, RedisQError
from ..job import Job
from .output import as_json, job_record, safe, show_json
from .progress import progress
from .shared import (
    DONE,
    FAILED,
    Commands,
    NotDone,
    WrongUsage,
    add_command,
    local_id,
    open_app,
    queue_name,
    say,
    seconds,
    task_name,
)


def add(commands: Commands) -> None:
    parser = add_command(commands, "enqueue", enqueue, "enqueue a call of a task")
    parser.add_argument("task", type=task_name, metavar="TASK", help="the name under which workers know it")
    parser.add_argument("args", type=_json, nargs="*", metavar="ARG", help="as JSON: 7, '\"text\"', '[1, 2]', null")
    parser.add_argument("--kwargs", type=_object, default={}, metavar="JSON", help="as a JSON object")
    parser.add_argument("--queue", type=queue_name, default="default", help="default: %(default)s")
    parser.add_argument("--delay", type=seconds, default=0.0, metavar="SECONDS", help="until it may run")
    parser.add_argument("--job-id", type=local_id, metavar="ID", help="if it exists, no second job is made")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="instead of ARG: a call a line of standard input, as [args] or as an object of args, kwargs and job_id",
    )
    parser.add_argument("--wait", type=seconds, metavar="SECONDS", help="for its end, and print the result as JSON")


def enqueue(args: argparse.Namespace) -> int:
    """Enqueue a call of a task by its name, and print the job's id. The command has no task code: it cannot tell
    whether a worker knows the task.
    """
    if args.lines:
        return _enqueue_lines(args)
    queue = open_app(args).queue(args.queue)
    options: dict[str, Any] = {"delay": args.delay} | ({"job_id": args.job_id} if args.job_id else {})
    job = queue.options(**options).enqueue(args.task, *args.args, **args.kwargs)
    if not job.created:
        say(f"{job.id} exists already ({job.status}): no second job was made")
    if args.wait is not None:
        return _wait(job, args)
    if args.json:
        show_json(job_record(job) | {"created": job.created})
    else:
        print(safe(job.id))
    return DONE


def _enqueue_lines(args: argparse.Namespace) -> int:
    if args.args or args.kwargs or args.job_id or args.wait is not None:
        raise WrongUsage("--lines: the calls come from standard input, without ARG, --kwargs, --job-id or --wait")
    queue = open_app(args).queue(args.queue)
    done = 0

    def note(acknowledged: int) -> None:
        nonlocal done
        advance(acknowledged - done)
        done = acknowledged

    with progress("Enqueueing", None) as advance:
        try:
            queue.options(delay=args.delay).enqueue_bulk(args.task, _calls(sys.stdin.buffer), note)
        except (RedisQError, NotDone) as error:
            raise NotDone(f"{error} ({done} calls before it are enqueued)") from error
    if args.json:
        show_json({"queue": args.queue, "enqueued": done})
    else:
        print(f"{done} enqueued")
    return DONE


def _calls(lines: Iterable[bytes]) -> Iterator[Call]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _call(JSON().decode(line))
            except (ValueError, RecursionError) as error:
                raise NotDone(f"line {number}: {error}") from None


def _call(value: Any) -> Call:
    """What a line says; ValueError."""
    call = {"args": value} if isinstance(value, list) else value
    if not (isinstance(call, dict) and call.keys() <= {"args", "kwargs", "job_id"}):
        raise ValueError("neither [args] nor an object of args, kwargs and job_id")
    args, kwargs = call.get("args", []), call.get("kwargs", {})
    if not (isinstance(args, list) and isinstance(kwargs, dict)):
        raise ValueError("args are a list, kwargs an object")
    return args, kwargs, {"job_id": keys.check_job_id(call["job_id"])} if "job_id" in call else {}


def _wait(job: Job, args: argparse.Namespace) -> int:
    try:
        result, failure = job.wait(args.wait), None
    except (JobFailed, JobCancelled) as error:
        result, failure = None, error
    if args.json:
        show_json(job_record(job.refresh()) | {"created": job.created})
    elif failure is None:
        print(as_json(result))
    if failure is not None:
        say(f"{job.id} {'failed' if isinstance(failure, JobFailed) else 'was cancelled'}: {failure}")
    return DONE if failure is None else FAILED


def _json(text: str) -> Any:
    try:
        return JSON().decode(text.encode())
    except (ValueError, RecursionError):
        hint = f" (text goes in quotes: '{json.dumps(text)}')" if text.isalnum() else ""
        raise argparse.ArgumentTypeError(f"not JSON: {safe(text, 80)}{hint}") from None


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {safe(text, 80)}")
    return value
