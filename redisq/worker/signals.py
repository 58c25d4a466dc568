"""What a supervisor is asked by signals. Their handlers only count, and wake who waits."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from .bell import Bell

#: Held back while one image of a process takes the place of another: until there are handlers again.
HELD_BACK = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Signals:
    """`stops`: how often SIGTERM or SIGINT came. `reload`: whether SIGHUP has."""

    def __init__(self) -> None:
        self.stops = 0
        self.reload = False

    def listen(self) -> None:
        """In the main thread."""
        self._bell = Bell()
        signal.set_wakeup_fd(self._bell.ringer(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        self._on_hang_up(self._on_reload)
        signal.signal(signal.SIGCHLD, ignore)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)

    def wait(self, seconds: float) -> None:
        """Until a signal comes, also of the end of a child."""
        self._bell.wait(seconds)
        self._bell.clear()

    def leave(self) -> None:
        """In a forked child: signals are not the supervisor's any more."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._on_hang_up(ignore)  # from a terminal it comes to all, as SIGINT does
        self._bell.close()

    def _on_hang_up(self, handler: Any) -> None:
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, handler)

    def _on_reload(self, _signal: int, _frame: FrameType | None) -> None:
        self.reload = True

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stops += 1


def ignore(_signal: int, _frame: FrameType | None) -> None:
    """Not SIG_IGN, which programs that a child or a job starts would inherit."""
