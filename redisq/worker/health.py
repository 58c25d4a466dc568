"""Whether a worker is well, for whoever restarts it if not: an orchestrator's probe, a watchdog.

The supervisor touches a file as long as every child has claimed or waited successfully a short while ago, or runs a job
within its limit. So an old file means a worker that does not work, whether it is stuck or its server is away.
"""

from __future__ import annotations

import time
from pathlib import Path

#: Seconds between two touches.
INTERVAL = 1.0
#: A file that is older than so many seconds tells of trouble.
OLDEST = 20.0


class Health:
    """The file, as the supervisor keeps it. OSError if it cannot be written."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._noted = float("-inf")

    def note(self) -> None:
        """All is well."""
        if time.monotonic() - self._noted > INTERVAL:
            self._path.touch()
            self._noted = time.monotonic()


def check(path: str) -> str | None:
    """None if the worker that keeps this file is well, else why not."""
    try:
        age = time.time() - Path(path).stat().st_mtime
    except OSError as error:
        return f"no worker keeps {path}: {error.strerror}"
    return None if age < OLDEST else f"{path} was last touched {age:.0f} s ago"
