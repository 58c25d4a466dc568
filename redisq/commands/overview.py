"""redisq info, redisq workers: what there is."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from ..serverinfo import ServerInfo
from ..survey import QueueInfo, WorkerInfo
from ..urls import redact
from .output import duration, moment, safe, show_json, show_table, size
from .shared import DONE, Commands, add_command, open_app, queue_name, say

#: What takes two looks, and what `top` is for.
_NOT_TOLD = ("in_rate", "out_rate", "failure_rate", "waits")


def add(commands: Commands) -> None:
    parser = add_command(commands, "info", info, "queues, and the server that they are on")
    parser.add_argument("queues", type=queue_name, nargs="*", metavar="QUEUE", help="default: all")
    parser = add_command(commands, "workers", workers, "workers, and what they hold")
    parser.add_argument("--queue", type=queue_name, help="only those that are registered with it (default: with any)")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--stop", metavar="WORKER", help="have it finish what it runs, and end; nobody takes its place")
    order.add_argument("--recycle", metavar="WORKER", help="have it replaced: another starts, then it ends likewise")


def info(args: argparse.Namespace) -> int:
    """Show the queues: jobs by status, the oldest that waits, workers; and the server: memory, disk, what it evicts."""
    app = open_app(args)
    server = app.server_info()
    queues = app.survey().queues(args.queues or sorted(app.queue_names()))
    if args.json:
        show_json({"server": _server_record(server, app.settings.server.url)})
        for queue in queues:
            known = msgspec.to_builtins(queue)
            show_json({name: value for name, value in known.items() if name not in _NOT_TOLD})
        return DONE
    _print_server(server, app.settings.server.url)
    print()
    if queues:
        headers = ("QUEUE", "QUEUED", "SCHEDULED", "RUNNING", "FAILED", "WORKERS", "OLDEST", "STATE")
        show_table(headers, [_row(queue) for queue in queues])
    else:
        print("no queues: nothing was ever enqueued")
    for queue in queues:
        if queue.trouble:
            say(f"{queue.name}: {queue.trouble}; redisq doctor --queues {queue.name} may mend it")
    return DONE


def workers(args: argparse.Namespace) -> int:
    """Show the workers: where each runs, its queues, its memory, what is left of its lease, how many jobs it holds. Or
    have one stopped or replaced.
    """
    app = open_app(args)
    queues = [args.queue] if args.queue else sorted(app.queue_names())
    if args.stop is not None:
        app.stop_worker(args.stop, queues)
        return DONE
    if args.recycle is not None:
        app.recycle_worker(args.recycle, queues)
        return DONE
    found = app.survey().workers(queues)
    if args.json:
        for worker in found:
            show_json(_worker_record(worker))
    elif found:
        headers = ("WORKER", "HOST", "PID", "QUEUES", "VERSION", "MEMORY", "LEASE LEFT", "JOBS", "RUNS")
        show_table(headers, [_worker_row(worker) for worker in found])
    else:
        print("no workers")
    return DONE


def _row(queue: QueueInfo) -> tuple[object, ...]:
    state = "unreadable" if queue.trouble else "paused" if queue.paused else "-"
    counts = queue.queued, queue.scheduled, queue.running, queue.failed, queue.workers
    shown = ["-"] * len(counts) if queue.trouble else counts
    return queue.name, *shown, duration(queue.oldest_age), state


def _worker_row(worker: WorkerInfo) -> tuple[object, ...]:
    memory = "-" if worker.memory is None else size(worker.memory)
    lease_left, queues = duration(worker.lease_left), ",".join(worker.queues)
    where = worker.name, worker.host, worker.pid or "-", queues
    return *where, worker.version or "-", memory, lease_left, worker.held, _first(worker)


def _first(worker: WorkerInfo) -> str:
    if not worker.jobs:
        return "-"
    job = worker.jobs[0]
    return f"{job.id} ({job.task or 'no task'}, {duration(job.held_for)})"


def _worker_record(worker: WorkerInfo) -> dict[str, Any]:
    return {"name": worker.name, "host": worker.host, "pid": worker.pid, **msgspec.to_builtins(worker)}


def _server_record(server: ServerInfo, url: str) -> dict[str, Any]:
    return {"url": redact(url), **msgspec.to_builtins(server), "warnings": server.warnings()}


def _print_server(server: ServerInfo, url: str) -> None:
    memory = size(server.memory) + (f" of {size(server.memory_limit)}" if server.memory_limit else ", without a limit")
    snapshots = {None: "unknown", True: "yes", False: "no"}[server.snapshots]
    saved = f", the last at {moment(server.last_save, 'seconds')}" if server.snapshots and server.last_save else ""
    lines = {
        "server": f"{redact(url)}  {server.version}, {server.role}, up {duration(server.uptime)}",
        "clients": f"{server.clients}, replicas {server.replicas}",
        "memory": f"{memory}; fragmentation {server.fragmentation or '?'}; when full: {server.evicts or 'unknown'}",
        "disk": f"append-only file: {f'fsync {server.fsync}' if server.fsync else 'no'}; snapshots: {snapshots}{saved}",
    }
    for name, text in lines.items():
        print(f"{name:8} {safe(text)}")
    for text in server.warnings():
        print(f"WARNING  {safe(text)}")
