"""Tasks whose function takes many jobs at once: the options `batch` and `linger`."""

from __future__ import annotations

from typing import Any

import msgspec

from .errors import InvalidOption
from .times import is_number

#: The most jobs of one call: their results are settled in one script.
MOST = 1000
#: The longest linger, in seconds: meanwhile the jobs count as running.
LONGEST = 3600.0


class Batching(msgspec.Struct, frozen=True):
    """`size`: the most jobs of one call. `linger`: seconds for which a worker that has fewer waits for more."""

    size: int
    linger: float

    @classmethod
    def take_from(cls, options: dict[str, Any]) -> Batching | None:
        """Taken out of a task's options, and checked: InvalidOption. None for a task that is called once per job."""
        if "batch" not in options:
            if "linger" in options:
                raise InvalidOption("linger: only with batch")
            return None
        size, linger = options.pop("batch"), options.pop("linger", 0.0)
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
            raise InvalidOption(f"batch: a whole number from 1 to {MOST}, not {size!r:.80}")
        if not (is_number(linger) and 0.0 <= linger <= LONGEST):
            raise InvalidOption(f"linger: seconds from 0 to {LONGEST:g}, not {linger!r:.80}")
        return cls(size, float(linger))
