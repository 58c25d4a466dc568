"""Tables on a terminal, by rich. Cells are Text, never markup: what stands in brackets is shown as it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .output import STYLES


def console(stderr: bool = False) -> Console:
    """One that interprets nothing."""
    return Console(markup=False, highlight=False, emoji=False, stderr=stderr)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> Table:
    """Of cells that are safe; `numbers`: the columns that stand on the right. A row is one line: what does not fit is
    cut off, in the first column last, since ids and names stand there.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i, (header, right) in enumerate(zip(headers, numbers, strict=True)):
        made.add_column(_cell(header), justify="right" if right else "left", no_wrap=i == 0)
    for row in rows:
        made.add_row(*(_cell(cell, STYLES.get(cell, "")) for cell in row))
    return made


def _cell(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> None:
    console().print(table(headers, rows, numbers))
