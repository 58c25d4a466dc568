"""A PostgreSQL of the tests' own: a new cluster in a directory, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port
from tests.waiting import wait_until

#: Where Debian keeps the programs that are not for everyday use.
DEBIAN = Path("/usr/lib/postgresql")


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, of the newest version."""
    found = shutil.which(name) or next(iter(sorted(map(str, DEBIAN.glob(f"*/bin/{name}")), reverse=True)), None)
    if found is None:
        raise LookupError(f"the tests need {name}: apt-get install postgresql")
    return found


def as_owner(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="redisq-postgres-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        data, port = f"{directory}/data", free_port()
        init = [program("initdb"), "-D", data, "-A", "trust", "-U", "redisq", "-N"]
        subprocess.run(as_owner(init), check=True, capture_output=True, cwd=directory)
        options = ["-k", directory, "-p", str(port), "-h", "127.0.0.1", "-c", "fsync=off"]
        server = subprocess.Popen(
            as_owner([program("postgres"), "-D", data, *options]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=directory,
        )
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        try:
            wait_until(lambda: subprocess.run(ready).returncode == 0, 30, "PostgreSQL answers")
            yield f"postgresql://redisq@127.0.0.1:{port}/postgres"
        finally:
            stop = [program("pg_ctl"), "-D", data, "-m", "immediate", "stop"]
            subprocess.run(as_owner(stop), check=True, capture_output=True, cwd=directory)
            server.wait(timeout=30)
