"""Bars on work that may take long: only on a terminal, and only with rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from ..bulk import Portion


def add_up(portions: Iterable[Portion], advance: Callable[[int], None]) -> int:
    """To how many jobs something was done, and the bar goes on meanwhile."""
    total = 0
    for portion in portions:
        total += portion.done
        advance(portion.seen)
    return total


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while the block runs; what it gives is called with how much more is done."""
    if not (sys.stderr.isatty() and find_spec("rich")):
        yield lambda more: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from .styled import console

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
