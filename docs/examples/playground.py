"""Lets an example run by itself: an embedded server in a directory that is thrown away, and a worker beside it.

Importing it sets $REDISQ_URL, which RedisQ() reads.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a program and its worker print comes in the order in which they did, and never in the middle of a line.
sys.stdout.reconfigure(line_buffering=True)

if "REDISQ_URL" not in os.environ:
    _directory = tempfile.mkdtemp(prefix="redisq-example-")
    _owner = os.getpid()
    os.environ["REDISQ_URL"] = f"embedded://{_directory}"

    def _clean() -> None:
        if os.getpid() == _owner:  # and not in a process that was forked
            shutil.rmtree(_directory, ignore_errors=True)

    # Before redisq registers its own, so that it runs after the server has stopped.
    atexit.register(_clean)


@contextmanager
def worker(*arguments: str, queues: str = "default", app: str = "app") -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the program's own app while the block lasts; its log goes to $WORKER_LOG, or nowhere."""
    program = Path(sys.argv[0]).resolve()
    command = [sys.executable, "-m", "redisq.cli", "--app", f"{program.stem}:{app}", "--queues", queues, *arguments]
    with open(os.environ.get("WORKER_LOG", os.devnull), "ab") as log:
        process = subprocess.Popen(command, cwd=program.parent, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()
