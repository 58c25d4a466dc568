"""--reload: a worker that follows the code while it is being written."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from types import FrameType

from ..errors import InvalidOption
from .rolling import VARIABLE, command_line

log = logging.getLogger(__name__)

#: Milliseconds: between two looks at the worker; for the editor to write the rest.
LOOK_EVERY = 250
DEBOUNCE = 400


def follow() -> int:
    """Run this command line without `--reload`, and send it SIGHUP when Python code in the working directory changes.

    The worker's exit code. InvalidOption without watchfiles.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        raise InvalidOption("--reload needs watchfiles: pip install 'redisq-jobs[reload]'") from None
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    command = [word for word in command_line() if word != "--reload"]
    worker = subprocess.Popen(command, env=os.environ | {VARIABLE: f"{os.getpid()}:-1:0"})

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM or not os.isatty(0):  # from a terminal, it comes to the worker, too
            worker.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    for changes in watch(
        ".", watch_filter=PythonFilter(), debounce=DEBOUNCE, rust_timeout=LOOK_EVERY, yield_on_timeout=True
    ):
        if worker.poll() is not None:
            break
        if changes:
            log.info("reload.changed files=%s", ",".join(sorted(os.path.relpath(path) for _, path in changes)))
            worker.send_signal(signal.SIGHUP)
    return worker.wait() if worker.returncode is None else worker.returncode
