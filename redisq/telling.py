"""An error as text: what it says, and where it came from."""

from __future__ import annotations

from traceback import TracebackException
from types import TracebackType

#: The longest traceback that is kept, in characters; of a longer one, its end, where the error was raised.
LONGEST_TRACE = 8000
#: The most frames of each error in it, the innermost ones.
MOST_FRAMES = 50
#: The longest line of it: the message may be a document.
_LONGEST_LINE = 1000
#: What stands between a worker and the job's own code.
_OURS = ("redisq", "asyncio")


def describe(error: BaseException | str) -> str:
    """An error and its notes as one text, also one that cannot say what it is."""
    if isinstance(error, str):
        return error
    try:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        return f"{type(error).__name__}: {error}".rstrip(": ") + notes
    except Exception:
        return type(error).__name__


def trace(error: BaseException | str) -> str:
    """The traceback of an error, from the job's own code on; empty if it has none."""
    if isinstance(error, str) or error.__traceback__ is None:
        return ""
    try:
        told = TracebackException(type(error), error, _own(error.__traceback__), limit=-MOST_FRAMES)
        lines = [_cut(line) for line in told.format()]
    except Exception:  # an error may lie about its cause or its text
        return ""
    text = "".join(lines)
    return text if len(text) <= LONGEST_TRACE else "…" + text[1 - LONGEST_TRACE :]


def _own(trace: TracebackType) -> TracebackType:
    """Without the frames of those who called the job; as it is if there are no others."""
    own: TracebackType | None = trace
    while own is not None and own.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        own = own.tb_next
    return own or trace


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 2]}…\n"
