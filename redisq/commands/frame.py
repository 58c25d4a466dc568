"""One frame of `top`: what fits is chosen here, and how it looks. It asks nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..survey import HeldJob, QueueInfo, WorkerInfo
from .output import duration, safe
from .view import View

R = TypeVar("R")

#: Lines that are no rows: head, trouble and totals; for each table a blank, its header, and how many are left out.
_FIXED_LINES = 9


class Column(NamedTuple, Generic[R]):
    """A column of a table of R. `rank`: those of a high one go first where it is narrow. `width`: of figures, which
    stand on the right; of text at least so much. `cell`: text and style.
    """

    header: str
    rank: int
    width: int
    cell: Callable[[R], tuple[str, str]]
    is_text: bool = False


class Queue(NamedTuple):
    """A row. `waits` as in View."""

    info: QueueInfo
    waits: Sequence[float]


def frame(view: View, width: int, height: int | None) -> Group:
    """For a terminal of that size; all rows if `height` is None."""
    waits = view.waits()
    queues = [Queue(info, waits[info.name]) for info in sorted(view.queues, key=_importance)]
    workers = sorted(view.workers, key=lambda worker: -_busy_for(worker))
    most_queues, most_workers = _shares(len(queues), len(workers), height)
    return Group(
        *_head(view),
        *_section("queues", QUEUES, queues, most_queues, width),
        *_section("workers", WORKERS, workers, most_workers, width),
    )


def _shares(queues: int, workers: int, height: int | None) -> tuple[int, int]:
    """How many rows of each table fit: half for each, and what one does not need for the other."""
    if height is None:
        return queues, workers
    rows = max(2, height - _FIXED_LINES)
    for_workers = min(workers, max(rows // 2, rows - queues))
    return rows - for_workers, for_workers


def _head(view: View) -> Iterable[RenderableType]:
    yield _line(Text.assemble(("redisq top  ", "bold"), (safe(view.url), "cyan"), "  q quits"))
    if view.trouble:
        yield _line(Text(f"as it was: {safe(view.trouble)}", style="bold red"))
    figures = {
        "queued": _count(sum(queue.queued for queue in view.queues)),
        "running": _count(sum(queue.running for queue in view.queues)),
        "failed": _count(sum(queue.failed for queue in view.queues)),
        "scheduled": _count(sum(queue.scheduled for queue in view.queues)),
        "in/s": _rate(_sum(queue.in_rate for queue in view.queues)),
        "out/s": _rate(_sum(queue.out_rate for queue in view.queues)),
    }
    yield _line(Text("  ".join(f"{name} {figure}" for name, figure in figures.items())))


def _section(
    what: str, columns: Sequence[Column[R]], rows: Sequence[R], most: int, width: int
) -> Iterable[RenderableType]:
    yield Text()
    if not rows:
        yield _line(Text(f"no {what}", style="dim"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    chosen = _fitting(columns, width)
    for column in chosen:
        table.add_column(
            Text(column.header),
            justify="left" if column.is_text else "right",
            width=None if column.is_text else column.width,
            ratio=column.width if column.is_text else None,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows[:most]:
        table.add_row(*(Text(safe(text), style=style) for text, style in (column.cell(row) for column in chosen)))
    yield table
    if len(rows) > most:
        yield _line(Text(f"… and {len(rows) - most} more {what}", style="dim"))


def _fitting(columns: Sequence[Column[R]], width: int) -> list[Column[R]]:
    chosen = list(columns)
    while len(chosen) > 2 and sum(column.width + 1 for column in chosen) > width:
        chosen.remove(max(reversed(chosen), key=lambda column: column.rank))
    return chosen


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


# Queues


def _importance(queue: QueueInfo) -> tuple[bool, int, float, str]:
    moving = (queue.in_rate or 0.0) + (queue.out_rate or 0.0) + queue.running
    return queue.trouble is None, -queue.queued, -moving, queue.name


def _name(row: Queue) -> tuple[str, str]:
    if row.info.trouble:
        return f"{row.info.name} (unreadable)", "bold red"
    return (f"{row.info.name} (paused)", "yellow") if row.info.paused else (row.info.name, "")


def _failed(row: Queue) -> tuple[str, str]:
    text, style = _figure(lambda queue: queue.failed)(row)
    return text, style or "red"


def _figure(count: Callable[[QueueInfo], int]) -> Callable[[Queue], tuple[str, str]]:
    def cell(row: Queue) -> tuple[str, str]:
        number = count(row.info)
        return "-" if row.info.trouble else _count(number), "" if number else "dim"

    return cell


def _flow(rate: Callable[[QueueInfo], float | None]) -> Callable[[Queue], tuple[str, str]]:
    return lambda row: (_rate(rate(row.info)), "" if rate(row.info) else "dim")


def _waited(of: Callable[[Sequence[float]], float]) -> Callable[[Queue], tuple[str, str]]:
    return lambda row: (duration(of(row.waits)), "") if row.waits else ("-", "dim")


QUEUES: Sequence[Column[Queue]] = (
    Column("QUEUE", 0, 16, _name, is_text=True),
    Column("QUEUED", 0, 7, _figure(lambda queue: queue.queued)),
    Column("OLDEST", 1, 7, lambda row: (duration(row.info.oldest_age), "" if row.info.oldest else "dim")),
    Column("IN/s", 3, 7, _flow(lambda queue: queue.in_rate)),
    Column("OUT/s", 3, 7, _flow(lambda queue: queue.out_rate)),
    Column("RUN", 4, 6, _figure(lambda queue: queue.running)),
    Column("FAILED", 2, 7, _failed),
    Column("FAIL/s", 6, 7, _flow(lambda queue: queue.failure_rate)),
    Column("WAITED", 5, 7, _waited(statistics.median)),
    Column("MOST", 7, 7, _waited(max)),
    Column("LATER", 6, 7, _figure(lambda queue: queue.scheduled)),
    Column("WORKERS", 7, 7, _figure(lambda queue: queue.workers)),
)


# Workers


def _first(worker: WorkerInfo) -> HeldJob | None:
    return worker.jobs[0] if worker.jobs else None


def _busy_for(worker: WorkerInfo) -> float:
    job = _first(worker)
    return -1.0 if job is None else job.held_for or 0.0


def _runs(worker: WorkerInfo) -> tuple[str, str]:
    job = _first(worker)
    return (job.id, "") if job else ("idle", "dim")


def _task(worker: WorkerInfo) -> tuple[str, str]:
    job = _first(worker)
    if job is None:
        return "", ""
    progress = f" {job.progress['done']}/{job.progress['total']}" if job.progress else ""
    again = f" (attempt {job.attempt})" if job.attempt > 1 else ""
    return f"{job.task or '-'}{progress}{again}", ""


def _runs_for(worker: WorkerInfo) -> tuple[str, str]:
    job = _first(worker)
    return duration(job.held_for if job else None), "" if job else "dim"


def _lease(worker: WorkerInfo) -> tuple[str, str]:
    return duration(worker.lease_left), "red" if worker.lease_left < 0 else ""


WORKERS: Sequence[Column[WorkerInfo]] = (
    Column("WORKER", 0, 20, lambda worker: (worker.name, ""), is_text=True),
    Column("RUNS", 0, 28, _runs, is_text=True),
    Column("FOR", 1, 7, _runs_for),
    Column("TASK", 2, 16, _task, is_text=True),
    Column("HOLDS", 4, 6, lambda worker: (_count(worker.held), "")),
    Column("LEASE", 3, 7, _lease),
    Column("QUEUES", 5, 12, lambda worker: (",".join(worker.queues), ""), is_text=True),
)


# Figures


def _sum(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _rate(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:.1f}" if rate < 99.95 else _count(round(rate))


def _count(number: int) -> str:
    """In at most six characters, up to a billion."""
    if number < 100_000:
        return str(number)
    return f"{number // 1000}k" if number < 100_000_000 else f"{number // 1_000_000}M"
