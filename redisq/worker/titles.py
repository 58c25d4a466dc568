"""What `ps` shows of a worker's processes, where setproctitle is installed."""

from __future__ import annotations

from collections.abc import Sequence

try:
    from setproctitle import setproctitle
except ImportError:

    def setproctitle(title: str) -> None:
        """Without the library, nothing."""


def entitle(role: str, queues: Sequence[str]) -> None:
    """Name this process by its role and its queues."""
    setproctitle(f"redisq-worker: {role} {','.join(queues)}")
